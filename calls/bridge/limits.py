"""How long each wait lasts, how often what failed is tried again, and how the API's error codes are taken."""

START_WITHIN_S = 5.0  # Twilio sends `start` at once; a socket without one is not a call.
VERIFY_WITHIN_S = 6.0  # one query, and the shell's own limits end before
SESSION_WITHIN_S = 10.0
RESPONSE_WITHIN_S = 10.0  # from our request to `response.created`
# From the end of the caller's turn to the first sound, and between two sounds of one response; the slowest good
# answers take 4.7 s.
ANSWER_WITHIN_S = 9.0
NUDGE_AFTER_S = 2.0  # voice detection creates its response well within this
LINE_DEAD_AFTER_S = 30.0  # gaps of a quarter second are normal; some carriers send nothing in silence
# Frames stop while the caller speaks: silence must be supplied, or the turn never ends.
STALLED_AFTER_S = 0.75
LAST_WORDS_WITHIN_S = 3.0  # transcriptions that are still to come when the caller is gone
USAGE_WITHIN_S = 1.0  # what an answer used that was cancelled because the caller is gone
HANG_UP_WITHIN_S = 5.0  # from the order to hang up to Twilio's `stop`
FORWARDED_WITHIN_S = (
    20.0  # the same from the order to connect the caller to somebody else, which is tried twice
)
OVERTIME_S = 30.0  # a caller who never stops talking cannot keep a call that is over
# Another assistant's session must be ready so long after it was asked for: a good one takes half a second.
HANDOVER_WITHIN_S = 6.0
TAKEOVER_WITHIN_S = 3.0  # from changing the running session to the server's word that it is done
# The caller's last words are often written down only after the model has answered them. Conditions of tools, keys and
# the next assistant wait for them so long; a guess: twice what a transcription takes.
WORDS_KNOWN_WITHIN_S = 2.0
CHECKED_WITHIN_S = 5.0  # conditions of a tool end their own work long before
# From outside, before the conversation has begun; those that a call brings with it are among them.
MOST_ORDERS_HELD = 30
MOST_ORDERS_OWED = 20  # that are still to be said, or nobody would hear the last of them
LETTERS_A_SECOND = 10.0  # of a sentence that is said; slow speech has twelve
MOST_HANDOVERS = 4  # in a row, without a word of the caller: then two of them send the caller to and fro
RETRIES = 2
RETRY_AFTER_S = (0.5, 2.0)
MALFORMED_REPORTED = 10  # frames of one side; a peer that sends nothing else would fill the database
HELD_FRAMES = 100  # 2 s of caller audio kept while the session is being prepared; older audio is dropped
# Given twice where another session takes over: no word may be lost between the two. A turn ends with more silence.
ONSET_FRAMES = 15
GAP_MS = 60  # jitter is a frame or two; more than that is audio that was never sent
LONGEST_GAP_MS = 10_000
# Frames that have come later than that for longer than that are behind: half a second is a long way, and what was held up comes all
# at once when it goes on.
LONGEST_DELAY_MS = 500
BEHIND_WITHIN_S = 2.0
LONGEST_PAYLOAD = 8000  # characters of base64, 750 ms; what Twilio takes in one message is nowhere written
SHORTEST_COMMIT_MS = 100  # the API refuses to commit less
# Speech under a protected greeting that is worth an answer; a guess: "hello?" is shorter, a request is longer.
WORTH_ANSWERING_WORDS = 3
WORTH_ANSWERING_MS = 1000
REMINDED_WITHIN_S = 3.0  # from the end of a reminder to the goodbye, at the least
# Silence between anything that was said and a message about a slow tool; a guess: less would be chatter.
FILLER_COOLDOWN_S = 2.5
# A tool that waits for a sentence to be said is asked after this long in any case; a thousand letters take as long.
HELD_WITHIN_S = 60.0
MOST_KEYS = 64  # of one entry; longer than any card number

ACTIVE_RESPONSE = "conversation_already_has_active_response"
BENIGN = {
    ACTIVE_RESPONSE,
    "response_cancel_not_active",
    "response_cancel_no_active_response",
    "input_audio_buffer_commit_empty",
    "item_truncate_invalid_item_id",
    "item_delete_invalid_item_id",
}
FATAL = {
    "invalid_api_key",
    "insufficient_quota",
    "account_deactivated",
    "billing_hard_limit_reached",
    "billing_not_active",
    "invalid_model",
    "missing_model",
    "model_not_found",
    "beta_api_shape_disabled",
    "session_expired",
}
MODEL_FAILED = "call.in-progress.error-providerfault-openai-llm-failed"
LINE_DEAD = "call.in-progress.error-assistant-did-not-receive-customer-audio"
STREAM_CLOSED = "phone-call-provider-closed-websocket"
# What follows this prefix was never a call of ours: the stream did not prove itself.
NOT_STARTED = "call-start-error"
