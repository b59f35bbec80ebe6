"""From rows to the bytes of a Parquet file, always the same for the same rows."""

from collections.abc import Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from postroad.destinations.warehouse.columns import SCHEMA, Columns

_MOMENT: Final = pa.timestamp("us", "UTC")
_TYPES: Final = {
    "source": pa.string(),
    "log_offset": pa.int64(),
    "received_at": _MOMENT,
    "message_id": pa.string(),
    "schema_version": pa.int32(),
    "type": pa.string(),
    "event_text": pa.string(),
    "user_id": pa.string(),
    "anonymous_id": pa.string(),
    "timestamp": _MOMENT,
    "email": pa.string(),
    "violations": pa.list_(pa.string()),
}


def encode(rows: Sequence[Columns]) -> bytes:
    """Return the file of these rows, which are all of one partition."""
    columns: dict[str, Any] = {name: ([getattr(row, name) for row in rows], kind) for name, kind in _TYPES.items()}
    for name in rows[0].properties:
        columns[name] = ([row.properties[name] for row in rows], pa.string())
    columns["body"] = ([row.body for row in rows], pa.string())
    schema = pa.schema(
        [(name, kind) for name, (_, kind) in columns.items()],
        metadata={"postroad.region": rows[0].region, "postroad.schema": str(SCHEMA)},
    )
    table = pa.Table.from_arrays([pa.array(values, kind) for values, kind in columns.values()], schema=schema)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return bytes(sink.getvalue())
