"""The objectives that a reward model can be fitted by, as one type that a form can show."""

from typing import Annotated

from pydantic import Field

from tasks.reward.objectives.bradley_terry import BradleyTerry
from tasks.reward.objectives.cost import Cost
from tasks.reward.objectives.odin import ODIN
from tasks.reward.objectives.token_bradley_terry import TokenBradleyTerry

RewardObjective = Annotated[BradleyTerry | TokenBradleyTerry | ODIN | Cost, Field(discriminator="kind")]
