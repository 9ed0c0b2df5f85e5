"""How strongly a policy is tied to its reference: a fixed coefficient, or one that steers the KL to a target."""

from typing import Annotated, Literal

from pydantic import Field

from tasks.engine.schema import Frozen, UserError

LARGEST_ERROR = 0.2


class FixedKL(Frozen):
    """The same coefficient at every iteration."""

    kind: Literal["fixed"] = "fixed"
    coefficient: float = Field(
        0.05, ge=0.0, le=100.0, description="Penalty a nat of KL, in reward units (beta, eta, c_KL; DR-PO 0.05)"
    )

    def next_coefficient(self, current: float, observed_kl: float, rows: int) -> float:
        """``current``, whatever was observed."""
        return current


class AdaptiveKL(Frozen):
    """The proportional controller of Ziegler et al. (2019, arXiv 1909.08593), Sec. 2.2."""

    kind: Literal["adaptive"] = "adaptive"
    coefficient: float = Field(
        0.1, ge=1e-6, le=100.0, description="Coefficient of the first iteration (trlX 0.1; 0 could never change)"
    )
    target: float = Field(6.0, ge=1e-6, le=1e4, description="KL to the reference to keep, nats a response (trlX 6)")
    horizon: int = Field(
        10_000, ge=1, le=1_000_000_000, description="Responses over which a full error changes the coefficient "
        "by its own size; at least a fifth of the responses of an iteration"
    )  # fmt: skip

    def next_coefficient(self, current: float, observed_kl: float, rows: int) -> float:
        """current * (1 + clip(observed_kl / target - 1, -0.2, 0.2) * rows / horizon).

        ``observed_kl``: mean nats a response over the ``rows`` responses of the iteration that has just ended. Which
        estimate it is, is the caller's: Ziegler et al. take k1; trlX, and so the released ensembles code (arXiv
        2310.02743), ``inverted_k3``.

        Raises:
            UserError: ``rows`` is so large for ``horizon`` that the coefficient could reach zero.
        """
        if LARGEST_ERROR * rows >= self.horizon:
            raise UserError(
                f"kl.horizon {self.horizon} is too short for {rows} responses an iteration: the coefficient could "
                f"reach zero; give more than {LARGEST_ERROR * rows:g}"
            )
        error = min(max(observed_kl / self.target - 1.0, -LARGEST_ERROR), LARGEST_ERROR)
        return current * (1.0 + error * rows / self.horizon)


KLControl = Annotated[FixedKL | AdaptiveKL, Field(discriminator="kind")]
