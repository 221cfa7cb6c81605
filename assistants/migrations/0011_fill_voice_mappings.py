"""Which voice of OpenAI's stands in for which of Vapi's, as a start. Ops staff edit the table by ear from then on.

How a voice of another provider sounds is what that provider says of it, or, where it says nothing, what its name suggests.
Of OpenAI's own voices OpenAI says little: marin and cedar are the ones it recommends.
"""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

# How OpenAI's voices are commonly heard; the reason why one stands in for another.
OURS = {
    "alloy": "neutral, even",
    "ash": "male, calm, low",
    "ballad": "male, expressive",
    "cedar": "male, natural; recommended by OpenAI",
    "coral": "female, warm",
    "echo": "male, clear",
    "marin": "female, natural; recommended by OpenAI",
    "sage": "female, calm",
    "shimmer": "female, bright",
    "verse": "male, lively",
}
ANY = (
    "11labs",
    "azure",
    "cartesia",
    "custom-voice",
    "deepgram",
    "google",
    "hume",
    "inworld",
    "lmnt",
    "microsoft",
    "minimax",
    "neuphonic",
    "openai",
    "playht",
    "rime-ai",
    "sesame",
    "smallest-ai",
    "tavus",
    "vapi",
    "wellsaid",
    "xai",
)
# By provider: our voice, how the other ones sound, and the other ones, parted by blanks.
VOICES = {
    "vapi": [
        ("marin", "female, American", "Emma Mia Jess Naina"),
        ("coral", "female, warm, American", "Savannah Kylie Clara Tara"),
        ("shimmer", "female, bright, young", "Lily Hana Paige Zoe"),
        ("sage", "female, calm", "Neha Leah Spencer"),
        ("cedar", "male, soft, North American", "Elliot Kai Sid"),
        ("ash", "male, low, American", "Cole Dan Neil Gustavo"),
        ("verse", "male, lively, young", "Rohan Harry Nico Godfrey Leo Zac"),
        ("echo", "male, Indian American", "Sagar"),
    ],
    "openai": [
        *((name, "the same voice", name) for name in OURS),
        ("ballad", "text-to-speech only; expressive, British", "fable"),
        ("ash", "text-to-speech only; male, deep", "onyx"),
        ("coral", "text-to-speech only; female, warm", "nova"),
    ],
    "11labs": [
        ("marin", "female, American", "sarah andrea myra 9BWtsMINqrJLrRacOk9x cgSgspJ2msm6clMCkdW9 FGY2WhTYpPnrIDTdsKH5"),
        ("coral", "female, warm, American", "matilda paula XrExE9yKIg1WjnnlVkGX EXAVITQu4vr4xnSDxMaL"),
        ("shimmer", "female, bright, young", "marissa MF3mGyEYCl7XYWbV9V6O AZnzlk1XvdvUeBnXmlld"),
        ("sage", "female, calm", "rachel 21m00Tcm4TlvDq8ikWAM XB0fDUnXU5powFXDhCwa"),
        ("sage", "female, British", "Xb7hH8MSUJpSbSDYk0k2 pFZP5JQG7iQjIQuC4Bku"),
        ("cedar", "male, American", "mark steve ryan phillip drew 29vD33N1CtxCmqQRPOHJ ErXwobaYiN019PkySvjV cjVigY5qzO86Huf0OWal iP95p4xoKVk53GoZ742B CwhRBWXzGAHq8TQ4Fs17"),
        ("ash", "male, deep, American", "burt mrb paul 5Q0t7uMcjvnagumLfvZi pNInz6obpgDQGcFmaJgB TxGEqnHWrfWFTfGW9XjX nPczCjzI2devNBz1zQrb pqHfZKP75CvOlQylNhV4 VR6AewLTigWG4xSOukaG"),
        ("ballad", "male, British", "joseph JBFqnCBsd6RMkjVDRZzb onwK4e9ZLuTAKqWW03F9"),
        ("verse", "male, lively, young", "bIHbv24MWmeRgasZH58o TX3LPaxmHKxFdv7VOQHJ IKne3meq5aSn9XLyUdCD N2lVS1w4EtoT3dr4eOWO yoZ06aMxZJJ28mfd3POQ"),
        ("alloy", "neutral, American", "SAz9YHcvj6GT2YYXdXww"),
    ],
    "playht": [
        ("marin", "female, American", "jennifer melissa"),
        ("coral", "female, warm, American", "donna"),
        ("shimmer", "female, bright", "ruby"),
        ("cedar", "male, American", "matt will chris michael"),
        ("ash", "male, low, American", "davis jack"),
    ],
    "azure": [
        ("marin", "female, American", "emma en-US-EmmaNeural en-US-EmmaMultilingualNeural en-US-AvaNeural en-US-AriaNeural"),
        ("coral", "female, warm, American", "en-US-JennyNeural en-US-JennyMultilingualNeural"),
        ("sage", "female, British", "en-GB-SoniaNeural en-GB-LibbyNeural"),
        ("cedar", "male, American", "andrew en-US-AndrewNeural en-US-AndrewMultilingualNeural en-US-GuyNeural"),
        ("ash", "male, low, American", "brian en-US-BrianNeural en-US-DavisNeural"),
        ("ballad", "male, British", "en-GB-RyanNeural"),
    ],
    "cartesia": [
        ("sage", "female, calm, British", "79a125e8-cd45-4c13-8a67-188112f4dd22"),
        ("ash", "male, low, British", "a0e99841-438c-4a64-b679-ae501e7d6091"),
    ],
    "deepgram": [
        ("marin", "female, American", "asteria thalia andromeda helena iris juno minerva ophelia selene theia vesta aurora callista cordelia delia harmonia"),
        ("coral", "female, warm, American", "cora hera luna amalthea electra"),
        ("shimmer", "female, bright", "stella phoebe"),
        ("sage", "female, calm", "athena pandora"),
        ("marin", "female; the language is another than English", "celeste estrella carina diana selena viktoria kara lara elara aurelia"),
        ("cedar", "male, American", "orion arcas apollo aries atlas hermes jupiter mars neptune odysseus pluto saturn janus"),
        ("ash", "male, low, American", "zeus hyperion"),
        ("ballad", "male, British or Irish", "helios angus draco"),
        ("verse", "male, lively", "orpheus perseus"),
        ("cedar", "male; the language is another than English", "nestor sirio alvaro aquila javier fabian julius"),
    ],
    "rime-ai": [
        ("marin", "female, American", "eva amber maya luna celeste astra lyra"),
        ("coral", "female, warm, American", "wildflower helen joy estelle esther"),
        ("shimmer", "female, bright, young", "breeze moon andromeda"),
        ("cedar", "male, American", "cove nicholas tyler colin creek marsh"),
        ("ash", "male, low, American", "hank thunder"),
        ("alloy", "unknown; not compared by ear", "lagoon cedar alpine summit eucalyptus moraine peak tundra mesa_extra talon marlu glacier falcon lintel oculus vespera transom bond arcade atrium cupola fern sirius orion masonry albion parapet"),
    ],
    "lmnt": [
        ("marin", "female", "amy ava chloe juniper kennedy lauren leah lily natalie nyssa paige sadie sophie stella violet zoe autumn elowen"),
        ("coral", "female, warm", "vesper"),
        ("cedar", "male", "ansel brandon caleb cassian dalton daniel dustin evander huxley james lucas miles nathan noah oliver ryan tyler zain zeke"),
        ("ash", "male, low", "magnus terrence warrick"),
        ("alloy", "neutral", "morgan"),
    ],
    "inworld": [
        ("marin", "female, by name", "Ashley Julia Olivia Sarah Hana Luna Wendy Elena Svetlana Lupita Maitê Johanna Orietta Hélène Lore Katrien Asuka Minji Yoona Yichen Xiaoyin Xinyi Jing Riya Yael Nour"),
        ("sage", "female, calm, by name", "Deborah Elizabeth Priya"),
        ("shimmer", "female, bright, by name", "Pixie"),
        ("cedar", "male, by name", "Alex Craig Dennis Edward Mark Shaun Timothy Carter Blake Diego Miguel Rafael Dmitry Nikolai Heitor Szymon Wojciech Josef Gianni Alain Mathieu Étienne Erik Lennart Satoshi Hyunwoo Seojun Manoj Oren Omar"),
        ("ash", "male, low, by name", "Hades Ronald Dominus"),
        ("ballad", "male, British, by name", "Theodore Clive"),
    ],
    "smallest-ai": [
        ("marin", "female, by name", "emily jasmine mithali diya ananya isha monika niharika deepika kajal radhika mansi nisha pooja saina sanya"),
        ("cedar", "male, by name", "arman james aravind raj raman william aarav raghav saurabh"),
    ],
    "microsoft": [
        ("marin", "female, by name", "en-US-Harper:MAI-Voice-2 en-US-Iris:MAI-Voice-2 en-US-Olivia:MAI-Voice-2 en-AU-Lisa:MAI-Voice-2"),
        ("cedar", "male, by name", "en-US-Ethan:MAI-Voice-2 en-US-Grant:MAI-Voice-2 en-US-Jasper:MAI-Voice-2"),
    ],
    "xai": [
        ("shimmer", "female, lively", "eve"),
        ("coral", "female, warm", "ara"),
        ("cedar", "male, confident", "rex"),
        ("alloy", "neutral, even", "sal"),
        ("ash", "male, low", "leo"),
    ],
}  # fmt: skip


def rows() -> list[tuple[str, str, str, str]]:
    """Provider, Vapi's voice, ours, and why."""
    found = [(name, "", "marin", "a voice that is not listed; OpenAI recommends marin") for name in ANY]
    for provider, groups in VOICES.items():
        for ours, sound, names in groups:
            why = sound if ours == names else f"{sound}; {ours} is {OURS[ours]}"
            found += [(provider, name, ours, why) for name in names.split()]
    return found


def fill(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    mapping = apps.get_model("assistants", "VoiceMapping")
    here = set(apps.get_model("assistants", "Voice").objects.values_list("pk", flat=True))
    there = {
        (provider.lower(), voice.lower())
        for provider, voice in mapping.objects.values_list("provider", "vapi_voice")
    }
    mapping.objects.bulk_create(
        mapping(provider=provider, vapi_voice=vapi_voice, voice_id=ours, why=why)
        for provider, vapi_voice, ours, why in rows()
        if ours in here and (provider.lower(), vapi_voice.lower()) not in there
    )


class Migration(migrations.Migration):
    dependencies = [("assistants", "0010_watch_and_progress")]
    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
