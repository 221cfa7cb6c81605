CREATE VIEW reporting.v_tool_attempts AS
SELECT
    p.id AS attempt_id,
    p.tool_call_id AS tool_call_id,
    x.call_id AS call_id,
    x.name::text AS tool,
    x.requested_at AS requested_at,
    p.n AS attempt,
    p.started_at AS started_at,
    p.finished_at AS finished_at,
    p.sent AS sent,
    p.code::text AS code,
    p.error AS error,
    p.http_status AS http_status,
    p.resolve_ms AS resolve_ms,
    p.connect_ms AS connect_ms,
    p.tls_ms AS tls_ms,
    p.first_byte_ms AS first_byte_ms,
    p.whole_ms AS whole_ms
FROM tools_toolattempt p
JOIN tools_toolcall x ON x.id = p.tool_call_id;

COMMENT ON VIEW reporting.v_tool_attempts IS 'One row for each request to a tool''s server, with its waterfall. A tool call has several where it was sent again.';
COMMENT ON COLUMN reporting.v_tool_attempts.attempt_id IS 'The id of the attempt.';
COMMENT ON COLUMN reporting.v_tool_attempts.tool_call_id IS 'Its tool call, as in v_tool_calls.';
COMMENT ON COLUMN reporting.v_tool_attempts.call_id IS 'Its call.';
COMMENT ON COLUMN reporting.v_tool_attempts.tool IS 'The name that the model called.';
COMMENT ON COLUMN reporting.v_tool_attempts.requested_at IS 'When the model asked for the tool call. Indexed: filter by it.';
COMMENT ON COLUMN reporting.v_tool_attempts.attempt IS '1 for the first.';
COMMENT ON COLUMN reporting.v_tool_attempts.started_at IS 'When it began.';
COMMENT ON COLUMN reporting.v_tool_attempts.finished_at IS 'When it was over.';
COMMENT ON COLUMN reporting.v_tool_attempts.sent IS 'False: it certainly never left.';
COMMENT ON COLUMN reporting.v_tool_attempts.code IS 'How it failed; empty where it was answered.';
COMMENT ON COLUMN reporting.v_tool_attempts.error IS 'The same in plain words.';
COMMENT ON COLUMN reporting.v_tool_attempts.http_status IS 'The status of the answer.';
COMMENT ON COLUMN reporting.v_tool_attempts.resolve_ms IS 'Time for the name, in ms.';
COMMENT ON COLUMN reporting.v_tool_attempts.connect_ms IS 'Time to connect, in ms. Empty on a connection that was kept.';
COMMENT ON COLUMN reporting.v_tool_attempts.tls_ms IS 'Time for TLS, in ms.';
COMMENT ON COLUMN reporting.v_tool_attempts.first_byte_ms IS 'From the request to the first byte of the answer, in ms.';
COMMENT ON COLUMN reporting.v_tool_attempts.whole_ms IS 'The whole attempt, in ms.';
