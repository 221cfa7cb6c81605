"""Reading what was found out about calls."""

import uuid
from typing import Any

from calls.models import CallAnalysis


def analysis_for(call_id: uuid.UUID) -> CallAnalysis | None:
    """The analysis of a call, or None where none was wanted."""
    return CallAnalysis.objects.filter(call_id=call_id).first()


def analysis_as_vapi(row: CallAnalysis) -> dict[str, Any]:
    """The same as the `analysis` of a call at Vapi; parts without an answer are left out."""
    parts = {
        "summary": row.summary or None,
        "structuredData": row.structured_data,
        "structuredDataMulti": row.structured_data_multi or None,
        "successEvaluation": row.success_evaluation or None,
    }
    return {name: value for name, value in parts.items() if value is not None}
