"""Who speaks when: ends of turns, interruptions, noise, keys, silences and the length of a call."""

import math
import re
from typing import Any, Final

from assistants.models import Assistant
from assistants.vapi import defaults
from assistants.vapi.drafts import Verdict
from assistants.vapi.ledger import Ledger
from assistants.vapi.paths import Path
from assistants.vapi.prompts import lines

TurnDetection = Assistant.TurnDetection
NoiseReduction = Assistant.NoiseReduction

_SILENCE_MIN_MS: Final = 300
_SILENCE_MAX_MS: Final = 1200
# Where Vapi listened to the words, callers were given time to think. Guessed; the upper end of what suits a telephone.
_PATIENT_MS: Final = 700
_WAIT: Final[Path] = ("startSpeakingPlan", "waitSeconds")
_PUNCTUATION: Final[Path] = ("startSpeakingPlan", "transcriptionEndpointingPlan", "onPunctuationSeconds")
_NEWER_COUNTS: Final = "There is a newer setting for the same, and that one counts."


def turn_fields(ledger: Ledger) -> dict[str, Any]:
    """How the end of the caller's turn is found, and what interrupts the assistant."""
    return {
        "turn_detection": str(TurnDetection.SERVER_VAD.value),
        "eagerness": str(Assistant.Eagerness.AUTO.value),
        "vad_silence_ms": _silence_ms(ledger, patient=_is_patient(ledger)),
        "interruptible": _interruptible(ledger),
        "interrupt_words": _interrupt_words(ledger),
        "noise_reduction": _noise_reduction(ledger),
    }


def _silence_ms(ledger: Ledger, *, patient: bool) -> int:
    wait, wait_path = _either(ledger, _WAIT, ("responseDelaySeconds",), defaults.WAIT_S)
    pause, pause_path = _either(ledger, _PUNCTUATION, ("llmRequestDelaySeconds",), defaults.ON_PUNCTUATION_S)
    exact = round((wait + pause) * 1000)
    ms = min(max(exact, _PATIENT_MS if patient else _SILENCE_MIN_MS), _SILENCE_MAX_MS)
    reason = f"Vapi waits {wait:g} s, and {pause:g} s after the end of a sentence. Tandem answers after {ms} ms of silence"
    if ms != exact:
        reason += f", which is kept between {_SILENCE_MIN_MS} and {_SILENCE_MAX_MS} ms"
    if patient and exact < _PATIENT_MS:
        reason += f", and at least {_PATIENT_MS} where Vapi judged by the words"
    reason += ": less cuts slow speakers off, more feels like a dead line."
    for path, given in ((_WAIT, wait_path), (_PUNCTUATION, pause_path)):
        if given is None:
            ledger.missing(path, reason, field="vad_silence_ms", ours=f"{ms} ms")
        else:
            ledger.say(given, Verdict.CONVERTED, reason, field="vad_silence_ms", ours=f"{ms} ms")
    return ms


def _either(ledger: Ledger, newer: Path, older: Path, otherwise: float) -> tuple[float, Path | None]:
    for path in (newer, older):
        value = ledger.number(*path)
        if value is not None:
            if path == newer and ledger.number(*older) is not None:
                ledger.say(older, Verdict.DROPPED, _NEWER_COUNTS)
            return value, path
    return otherwise, None


def _is_patient(ledger: Ledger) -> bool:
    """Whether Vapi judged by the words; says what becomes of that."""
    provider: Path = ("startSpeakingPlan", "smartEndpointingPlan", "provider")
    enabled: Path = ("startSpeakingPlan", "smartEndpointingEnabled")
    old = ledger.flag(*enabled) or ledger.text(*enabled)
    reason = (
        "Vapi judged from the words whether the caller had finished. OpenAI can do that too (“By what was said”), but on "
        "telephone lines it has been seen to miss the end of a turn altogether, and the caller waits for ever. So Tandem goes by "
        "silence, and gives callers a little more of it. Try the other on a test call before you switch."
    )
    if ledger.text(*provider) == "custom-endpointing-model":
        ledger.say(
            provider,
            Verdict.DROPPED,
            "At Vapi your own server decided when the caller had finished. Tandem goes by silence, and does not ask it.",
        )
    elif ledger.text(*provider):
        ledger.say(
            provider, Verdict.CONVERTED, reason, field="turn_detection", ours=TurnDetection.SERVER_VAD.label
        )
    if old:
        ledger.say(
            enabled, Verdict.CONVERTED, reason, field="turn_detection", ours=TurnDetection.SERVER_VAD.label
        )
    elif ledger.has(*enabled):
        ledger.say(enabled, Verdict.KEPT, "Off: the end of a turn is found by silence, here too.")
    return bool(ledger.text(*provider) or old)


def _interruptible(ledger: Ledger) -> bool:
    return ledger.flag("interruptionsEnabled") is not False


def _interrupt_words(ledger: Ledger) -> int:
    newer: Path = ("stopSpeakingPlan", "numWords")
    words, path = _either(ledger, newer, ("numWordsToInterruptAssistant",), defaults.NUM_WORDS)
    ours = min(max(math.ceil(words), 0), 10)
    if path is None:
        ledger.missing(
            newer,
            "Vapi's documentation says that the caller's first sound stops the assistant; in practice two words have been seen "
            "to be needed. Here the first sound does, which answers callers soonest. Set 2 if “mm-hm” cuts the assistant short.",
            field="interrupt_words",
            ours=ours,
        )
    elif ours != words:
        ledger.say(
            path,
            Verdict.CONVERTED,
            "Tandem counts whole words, from 0 to 10.",
            field="interrupt_words",
            ours=ours,
        )
    return ours


def _noise_reduction(ledger: Ledger) -> str:
    places: tuple[Path, ...] = (
        ("backgroundSpeechDenoisingPlan", "smartDenoisingPlan", "enabled"),
        ("backgroundSpeechDenoisingPlan", "fourierDenoisingPlan", "enabled"),
        ("backgroundDenoisingEnabled",),
    )
    given = [(path, flag) for path in places if (flag := ledger.flag(*path)) is not None]
    on = not given or any(flag for _, flag in given)
    ours = NoiseReduction.NEAR_FIELD if on else NoiseReduction.NONE
    if not given:
        ledger.missing(
            places[0],
            "Vapi filters noise only where told to. Tandem has OpenAI filter it, since noise on the line otherwise counts as speech.",
            field="noise_reduction",
            ours=ours.label,
        )
    for path, flag in given:
        reason = "OpenAI's noise filter is used, before the model listens." if flag else "No noise filter."
        if not flag and on:
            reason = "Off, but another of Vapi's noise filters is on."
        ledger.say(
            path,
            Verdict.CONVERTED if flag else Verdict.KEPT,
            reason,
            field="noise_reduction",
            ours=ours.label,
        )
    return str(ours.value)


def limit_fields(ledger: Ledger) -> dict[str, Any]:
    """How long a call and a silence may last."""
    return {
        "max_duration_s": _seconds(
            ledger,
            "maxDurationSeconds",
            (10, 3500),
            "max_duration_s",
            (
                defaults.MAX_DURATION_S,
                "Vapi ends a call after 600 s unless told otherwise. Tandem says goodbye first.",
            ),
            "A call on OpenAI's voice models can last 3,500 s at most, and here 10 s at least.",
        ),
        "silence_timeout_s": _seconds(
            ledger,
            "silenceTimeoutSeconds",
            (10, 3600),
            "silence_timeout_s",
            (defaults.SILENCE_TIMEOUT_S, "Vapi hangs up after 30 s of silence unless told otherwise."),
            "Tandem waits whole seconds, from 10 to 3,600.",
        ),
    }


def _seconds(
    ledger: Ledger, name: str, limits: tuple[int, int], field: str, default: tuple[int, str], why: str
) -> int:
    given = ledger.number(name)
    if given is None:
        ledger.missing((name,), default[1], field=field, ours=default[0])
        return default[0]
    ours = round(min(max(given, limits[0]), limits[1]))
    if ours != given:
        ledger.say((name,), Verdict.CONVERTED, why, field=field, ours=ours)
    return ours


# --- The keypad


def keypad_fields(ledger: Ledger) -> dict[str, Any]:
    """Whether and how callers may use the keypad."""
    enabled = bool(ledger.flag("keypadInputPlan", "enabled"))
    ledger.missing(
        ("keypadInputPlan", "enabled"),
        "Vapi passes keys on only where told to, and so does Tandem.",
        field="keypad_enabled",
        ours=False,
    )
    timeout = ledger.number("keypadInputPlan", "timeoutSeconds")
    ours = defaults.KEYPAD_TIMEOUT_S if timeout is None else min(max(float(timeout), 0.0), 10.0)
    if timeout is not None and ours != timeout:
        reason = "Tandem waits 0 to 10 s."
        ledger.say(
            ("keypadInputPlan", "timeoutSeconds"),
            Verdict.CONVERTED,
            reason,
            field="keypad_timeout_s",
            ours=ours,
        )
    if enabled and timeout is None:
        reason = "Vapi takes the keys as complete after 2 s."
        ledger.missing(("keypadInputPlan", "timeoutSeconds"), reason, field="keypad_timeout_s", ours=ours)
    return {
        "keypad_enabled": enabled,
        "keypad_timeout_s": ours,
        "keypad_delimiters": _delimiters(ledger, enabled=enabled),
    }


def _delimiters(ledger: Ledger, *, enabled: bool) -> str:
    path: Path = ("keypadInputPlan", "delimiters")
    given = ledger.text(*path)
    if given is None and not ledger.items(*path):
        if enabled:
            reason = "At Vapi the # key ends what is keyed in."
            ledger.missing(path, reason, field="keypad_delimiters", ours=defaults.KEYPAD_DELIMITERS)
        return defaults.KEYPAD_DELIMITERS
    texts: list[tuple[Path, str]] = [(path, given)] if given is not None else []
    texts += [((*path, number), text) for number, text in ledger.texts(*path)]
    for place, text in texts:
        if set(text) - set("#*"):
            reason = "Only # and * can end what is keyed in; anything else was left out."
            ledger.say(place, Verdict.DECISION, reason, field="keypad_delimiters", code="unknown_value")
    keys = "".join(text for _, text in texts)
    return "".join(key for key in "#*" if key in keys)


# --- Silence of the caller


def idle_fields(ledger: Ledger) -> dict[str, Any]:
    """What is said to a caller who is silent. All hooks are spoken for here, since such a message is one."""
    fields: dict[str, Any] = {}
    for number, hook in enumerate(ledger.items("hooks")):
        if isinstance(hook, dict):
            _say_actions(ledger, number, hook)
            if not fields and _is_idle(hook):
                fields = _idle_hook(ledger, number, hook)
    if not fields:
        return _message_plan(ledger)
    for name in (
        "idleTimeoutSeconds",
        "idleMessageMaxSpokenCount",
        "idleMessageResetCountOnUserSpeechEnabled",
    ):
        if ledger.has("messagePlan", name):
            ledger.say(("messagePlan", name), Verdict.DROPPED, _NEWER_COUNTS)
    for number, _ in ledger.texts("messagePlan", "idleMessages"):
        ledger.say(("messagePlan", "idleMessages", number), Verdict.DROPPED, _NEWER_COUNTS)
    return fields


def _is_idle(hook: dict[str, Any]) -> bool:
    on = hook.get("on")
    return isinstance(on, str) and on.split("[", 1)[0] == "customer.speech.timeout" and bool(_exact(hook))


def _exact(hook: dict[str, Any]) -> list[tuple[Path, str]]:
    """The wordings that a hook says, each with its place in the hook."""
    found: list[tuple[Path, str]] = []
    actions = hook.get("do")
    for number, action in enumerate(actions if isinstance(actions, list) else []):
        if not isinstance(action, dict) or action.get("type") != "say":
            continue
        exact = action.get("exact")
        if isinstance(exact, str):
            found.append((("do", number, "exact"), exact))
        for item, text in enumerate(exact if isinstance(exact, list) else []):
            if isinstance(text, str):
                found.append((("do", number, "exact", item), text))
    return [(path, text) for path, text in found if text.strip()]


def _idle_hook(ledger: Ledger, number: int, hook: dict[str, Any]) -> dict[str, Any]:
    base: Path = ("hooks", number)
    said = _exact(hook)
    in_name = dict(re.findall(r"(\w+)=([\w.]+)", str(hook.get("on"))))
    reason = "Said when the caller is silent" + (
        ", one after the other; Vapi picks one at random." if len(said) > 1 else "."
    )
    for path, text in said:
        ours = " ".join(text.split())
        ledger.say((*base, *path), Verdict.CONVERTED, reason, field="idle_messages", ours=ours)
        ledger.say((*base, *path[:2], "type"), Verdict.CONVERTED, reason, field="idle_messages")
    for name in ("on", "name"):
        ledger.say((*base, name), Verdict.CONVERTED, "Said when the caller is silent.", field="idle_messages")
    timeout = _option(
        ledger, base, "timeoutSeconds", in_name, (1, 1000), ("idle_timeout_s", defaults.HOOK_IDLE_S)
    )
    count = _option(
        ledger, base, "triggerMaxCount", in_name, (1, 10), ("idle_max_count", defaults.HOOK_IDLE_COUNT)
    )
    mode: Path = (*base, "options", "triggerResetMode")
    resets = (ledger.text(*mode) or in_name.get("triggerResetMode")) == "onUserSpeech"
    if ledger.text(*mode) is not None:
        told = (
            "The count begins anew when the caller has spoken." if resets else "The count never begins anew."
        )
        ledger.say(mode, Verdict.KEPT, told, field="idle_resets", ours=resets)
    return {
        "idle_messages": lines([text for _, text in said]),
        "idle_timeout_s": float(timeout),
        "idle_max_count": round(count),
        "idle_resets": resets,
    }


def _option(
    ledger: Ledger,
    base: Path,
    name: str,
    in_name: dict[str, str],
    limits: tuple[int, int],
    column: tuple[str, float],
) -> float:
    path = (*base, "options", name)
    field, default = column
    given = ledger.number(*path)
    if given is None and re.fullmatch(r"\d{1,6}(\.\d{1,6})?", in_name.get(name, "")):
        given = float(in_name[name])
    if given is None:
        ledger.missing(path, f"Vapi takes {default:g} where nothing is set.", field=field, ours=default)
        return default
    ours = min(max(given, limits[0]), limits[1])
    ours = round(ours) if field == "idle_max_count" else ours
    verdict = Verdict.KEPT if ours == given else Verdict.CONVERTED
    reason = "After so long a silence." if field == "idle_timeout_s" else "At most so often."
    if ledger.number(*path) is not None:
        ledger.say(path, verdict, reason, field=field, ours=ours)
    return ours


# What callers notice when it is missing.
_DOES: Final = {
    "tool": "calls a tool",
    "function": "calls a tool",
    "transfer": "transfers the call",
    "say": "says something to the caller",
}


def _say_actions(ledger: Ledger, number: int, hook: dict[str, Any]) -> None:
    """Asks about actions of a hook that somebody may rely on."""
    on = str(hook.get("on"))[:60]
    actions = hook.get("do")
    for at, action in enumerate(actions if isinstance(actions, list) else []):
        kind = action.get("type") if isinstance(action, dict) else None
        does = (
            "transfers the call" if _transfers(action) else _DOES.get(kind) if isinstance(kind, str) else None
        )
        if does:
            ledger.say(
                ("hooks", number, "do", at, "type"),
                Verdict.DECISION,
                f"At Vapi this hook {does} on the event “{on}”, without the model being asked. Tandem does not do it yet; the hook is "
                "stored. Decide whether callers can do without it until then.",
                field="plans",
                code="hook_action",
            )


def _transfers(action: Any) -> bool:
    tool = action.get("tool") if isinstance(action, dict) else None
    return isinstance(tool, dict) and tool.get("type") in ("transferCall", "handoff")


def _message_plan(ledger: Ledger) -> dict[str, Any]:
    said = [text for _, text in ledger.texts("messagePlan", "idleMessages")]
    timeout = ledger.number("messagePlan", "idleTimeoutSeconds")
    count = ledger.number("messagePlan", "idleMessageMaxSpokenCount")
    ours_s = defaults.PLAN_IDLE_S if timeout is None else float(min(max(timeout, 1), 1000))
    ours_n = defaults.PLAN_IDLE_COUNT if count is None else round(min(max(count, 1), 10))
    limits: tuple[tuple[str, float | None, float, str], ...] = (
        ("idleTimeoutSeconds", timeout, ours_s, "idle_timeout_s"),
        ("idleMessageMaxSpokenCount", count, ours_n, "idle_max_count"),
    )
    for name, given, ours, field in limits:
        path = ("messagePlan", name)
        if given is None:
            if said:
                ledger.missing(path, f"Vapi takes {ours:g} where nothing is set.", field=field, ours=ours)
        elif given != ours:
            ledger.say(path, Verdict.CONVERTED, "The nearest that Tandem takes.", field=field, ours=ours)
    if not said:
        ours_s, ours_n = defaults.HOOK_IDLE_S, defaults.HOOK_IDLE_COUNT
    return {
        "idle_messages": lines(said),
        "idle_timeout_s": ours_s,
        "idle_max_count": ours_n,
        "idle_resets": bool(ledger.flag("messagePlan", "idleMessageResetCountOnUserSpeechEnabled")),
    }
