"""One self-contained HTML page with a run's verdicts, leaderboard and figures; it needs no network to be read."""

from collections.abc import Sequence
from html import escape

import pandas as pd
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; margin: 1rem 0 } td, th { padding: .25rem .7rem; border-bottom: 1px solid #ddd }
th { text-align: left } .supported { color: #18794e } .refuted { color: #c2291d } .inconclusive { color: #8a6d00 }
"""


def html_report(
    title: str, verdicts: pd.DataFrame, board: pd.DataFrame, figures: Sequence[go.Figure], tuned: str = "no"
) -> str:
    """The page as text. ``verdicts`` has one row a claim, ``board`` one row an arm and suite, with ``_low`` and
    ``_high`` beside every metric; ``tuned`` says which arms were tuned before they were compared.
    """
    drawings = [figure.to_html(full_html=False, include_plotlyjs=False) for figure in figures]
    return "\n".join(
        [
            f"<!doctype html><html><head><meta charset='utf-8'><title>{escape(title)}</title>",
            f"<style>{STYLE}</style><script>{get_plotlyjs()}</script></head><body><h1>{escape(title)}</h1>",
            *(["<h2>Claims</h2>", verdict_rows(verdicts)] if len(verdicts) else []),
            f"<p>Arms tuned on validation prompts: {escape(tuned)}</p>",
            *drawings,
            *(
                f"<h2>Arms: {escape(str(suite))}</h2>{board_rows(rows)}"
                for suite, rows in board.groupby("suite", sort=False)
            ),
            "</body></html>",
        ]
    )


def verdict_rows(verdicts: pd.DataFrame) -> str:
    """Claims with their verdict, effect and interval, beside the paper's own number."""
    head = "<tr><th>claim</th><th>verdict</th><th>effect [interval]</th><th>the paper</th></tr>"
    lines = [
        f"<tr><td>{escape(row['statement'])}</td><td class='{row['outcome']}'>{row['outcome']}</td>"
        f"<td>{interval(row['effect'], row['low'], row['high'])}</td><td>{escape(row['paper_value'])}</td></tr>"
        for row in verdicts.to_dict("records")
    ]
    return f"<table>{head}{''.join(lines)}</table>"


def board_rows(board: pd.DataFrame) -> str:
    """Arms with mean and interval of every metric that any of them has."""
    metrics = [name for name in board.columns if f"{name}_low" in board.columns and board[name].notna().any()]
    head = "".join(f"<th>{escape(name)}</th>" for name in ["arm", *metrics])
    lines = [
        "<tr>"
        + f"<td>{escape(str(row['arm']))}</td>"
        + "".join(f"<td>{interval(row[name], row[f'{name}_low'], row[f'{name}_high'])}</td>" for name in metrics)
        + "</tr>"
        for row in board.to_dict("records")
    ]
    return f"<table><tr>{head}</tr>{''.join(lines)}</table>"


def interval(mean: float, low: float, high: float) -> str:
    """``0.62 [0.58, 0.66]``; a dash where there is no number."""
    return "–" if pd.isna(mean) else f"{mean:.3g} [{low:.3g}, {high:.3g}]"
