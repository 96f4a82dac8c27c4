"""A table for machines: long CSV and complete JSON."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict
from typing import Any, Final

from benchmarks.cell_files import encode
from benchmarks.claims import ClaimVerdict
from benchmarks.metrics import METRICS, MetricInfo
from benchmarks.rankings import RankingVerdict
from benchmarks.schema import CellResult
from benchmarks.summaries import cell_value
from benchmarks.table_data import TableData, TableRow

CSV_FIELDS: Final = (
    *("table", "row", "label", "method", "control", "seed", "status", "reason"),
    *("metric", "unit", "value", "lower", "upper"),
    *("published", "published_source", "published_protocol"),
    *("source", "budget", "protocol", "protocol_version", "data_fingerprint"),
    *("commit", "dirty", "cell_id"),
)


def to_csv(data: TableData) -> str:
    """Long form: a line a row, seed and metric; columns of `CSV_FIELDS`."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, CSV_FIELDS, restval="", lineterminator="\n")
    writer.writeheader()
    for item in data.rows:
        row = item.row
        shared: dict[str, Any] = {
            **data.group._asdict(),
            "row": row.id,
            "label": row.label,
            "method": row.method or "",
            "control": int(item.control),
        }
        for info in _all_metrics(data, item):
            number = row.published.get(info.id)
            named = shared | {"metric": info.id, "unit": info.unit}
            if number is not None:
                named |= {
                    "published": number.value,
                    "published_source": number.source,
                    "published_protocol": number.protocol,
                }
            if not item.cells and (row.method is not None or number is not None):
                writer.writerow(
                    named | {"status": "not run" if row.method is not None else "published"}
                )
            for cell in item.cells:
                writer.writerow(named | _csv_cell(cell, info.id))
    return stream.getvalue()


def _csv_cell(cell: CellResult, metric: str) -> dict[str, Any]:
    value = cell_value(cell, metric) if cell.status == "ok" else None
    low, high = cell.intervals.get(metric, ("", "")) if value is not None else ("", "")
    return {
        "seed": cell.seed,
        "status": "n/a" if cell.status == "ok" and value is None else cell.status,
        "reason": cell.reason or "",
        "value": "" if value is None else value,
        "lower": low,
        "upper": high,
        "commit": cell.commit,
        "dirty": int(cell.dirty),
        "cell_id": cell.cell_id,
    }


def _all_metrics(data: TableData, item: TableRow) -> list[MetricInfo]:
    """Columns first, then what else the row's cells have measured."""
    extra = {metric for cell in item.cells for metric in cell.metrics} | item.row.published.keys()
    shown = [info.id for info in data.columns]
    known = [metric for metric in METRICS if metric in extra and metric not in shown]
    return [METRICS[metric] for metric in shown + known]


def to_json(data: TableData) -> str:
    """Everything: rows, findings, claims and the cells themselves."""
    content = {
        "schema_version": 1,
        **data.group._asdict(),
        "title": data.spec.title,
        "facts": data.facts(),
        "note": data.spec.note,
        "seeds": list(data.seeds),
        "commits": list(data.commits),
        "data_counts": data.counts,
        "columns": [asdict(info) for info in data.columns],
        "rows": [_json_row(data, item) for item in data.rows],
        "decompositions": [asdict(item) for item in data.decompositions],
        "controls_ahead": [asdict(item) for item in data.upsets],
        "claims": [_json_claim(item) for item in data.verdicts],
        **({"rankings": [_json_ranking(item) for item in data.rankings]} if data.rankings else {}),
        "cells": [json.loads(encode(cell)) for cell in data.cells],
    }
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _json_row(data: TableData, item: TableRow) -> dict[str, Any]:
    return {
        "id": item.row.id,
        "label": item.row.label,
        "method": item.row.method,
        "control": item.control,
        "note": item.row.note,
        "published": {name: number.model_dump() for name, number in item.row.published.items()},
        "metrics": {
            metric: {
                "state": found.state if item.cells else "not run",
                "mean": found.mean if found.values else None,
                "std": found.std,
                "n": len(found.values),
                "values": {str(seed): value for seed, value in found.values.items()},
                "intervals": {str(seed): list(ends) for seed, ends in found.intervals.items()},
                "problems": list(found.problems),
                "best": item.row.id in data.best[metric],
            }
            for metric, found in item.samples.items()
        },
    }


def _json_claim(item: ClaimVerdict) -> dict[str, Any]:
    fields = {name: value for name, value in vars(item).items() if name != "claim"}
    published = item.published
    fields["published"] = published and {**asdict(published), "holds": published.holds}
    return {**item.claim.model_dump(mode="json"), **fields}


def _json_ranking(item: RankingVerdict) -> dict[str, Any]:
    fields = {name: value for name, value in vars(item).items() if name != "ranking"}
    return {**item.ranking.model_dump(mode="json"), **fields}
