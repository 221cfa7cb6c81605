"""Which of our voices stands in for one of Vapi's, by the table that ops staff edit."""

from dataclasses import dataclass

from assistants.vapi.drafts import Catalogue


@dataclass(frozen=True, slots=True)
class VoiceChoice:
    """A voice of ours. ``same``: it is the very same. ``mapped``: somebody has thought of it."""

    voice: str
    why: str
    same: bool = False
    mapped: bool = True


def voice_for(provider: str, voice: str, catalogue: Catalogue) -> VoiceChoice:
    """Our voice for a voice of Vapi's."""
    provider, wanted = provider.strip().lower(), voice.strip().lower()
    if provider == "openai" and wanted in catalogue.realtime_voices:
        return VoiceChoice(wanted, "The same voice as at Vapi, spoken by the voice model itself.", same=True)
    found = catalogue.voices.get((provider, wanted))
    if found and wanted:
        ours, why = found
        return VoiceChoice(
            ours, f"Nobody sounds the same. {ours} stands in for it{_because(why)}. Compare them by ear."
        )
    found = catalogue.voices.get((provider, ""))
    if found:
        ours, why = found
        return VoiceChoice(
            ours,
            f"This voice is not in the table of voices; {ours} stands in for any voice of {provider}{_because(why)}. Compare "
            "them by ear, and add a row to the table if another suits better.",
        )
    return VoiceChoice(
        catalogue.default_voice,
        f"No voice of ours stands in for this one: the table of voices has no row for it. Callers would hear "
        f"{catalogue.default_voice}. Choose a voice by ear.",
        mapped=False,
    )


def _because(why: str) -> str:
    return f" ({why.rstrip('.')})" if why else ""
