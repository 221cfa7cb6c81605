"""Rules on what a voice cannot say, a telephone cannot show, and a text-to-speech engine no longer reads."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from assistants.linting.subject import (
    PROMPT,
    LintFinding,
    LintSubject,
    Severity,
    finding,
    line_of,
    line_text,
    negated,
    prose,
    sentences,
    words,
)

_SSML = re.compile(
    r"</?(speak|break|phoneme|prosody|say-as|sub|emphasis|audio|mstts:[\w-]+|amazon:[\w-]+|spell|emotion)\b[^<>\n]{0,200}>",
    re.IGNORECASE,
)  # fmt: skip
_AUDIO_TAG = re.compile(
    r"\[(?:laughs?|laughing|chuckles?|sighs?|whispers?|whispering|pause|short pause|long pause|breathes?|excited|"
    r"clears throat|exhales?|giggles?|sarcastic|curious|gasps?)\]",
    re.IGNORECASE,
)  # fmt: skip
_PRONOUNCE = re.compile(
    r"\bpronounc(?:e|ed|ing)\b.{0,60}?\b(?:as|like)\b|\bphonetic(?:ally)?\b|\b[\w-]+ is said [\"“']|\bIPA\b", re.IGNORECASE
)  # fmt: skip
_SPELLED = re.compile(r"\b(?:[A-Za-z]-){2,}[A-Za-z]\b|\b(?:[A-Z]\. ?){3,}")
_DIGIT_WORD = r"(?:zero|oh|one|two|three|four|five|six|seven|eight|nine)"
_SPELLED_DIGITS = re.compile(rf"\b{_DIGIT_WORD}(?:[\s,.\-…]+{_DIGIT_WORD}){{4,}}\b", re.IGNORECASE)
_PAUSE_BY_SIGNS = re.compile(r"(?:\s-){2,}\s|(?:\s\u2013){2,}\s|(?:\.{3,}|…)(?:\s*(?:\.{3,}|…))+")
_PAUSE_IN_WORDS = re.compile(
    r"\b(?:use|insert|add|put|write|include)\b.{0,40}(?:\.\.\.|…|ellips[ei]s|dash(?:es)?|hyphens?|commas?|\" ?- ?\").{0,40}\bpaus",
    re.IGNORECASE,
)  # fmt: skip
_DOTS = re.compile(r"\.{3,}|…")
_EMOJI = re.compile("[\u2600-\u27bf\u2b50\U0001f300-\U0001faff]")

_SAID_MARKDOWN = {
    "A heading": re.compile(r"^#{1,6}\s+\S", re.MULTILINE),
    "A bullet": re.compile(r"^\s*(?:[-*•]|\d+[.)])\s+\S", re.MULTILINE),
    "Bold or italic marks": re.compile(r"\*\*[^*\n]+\*\*|__[^_\n]+__|(?<!\w)\*[^*\s][^*\n]*\*"),
    "A link": re.compile(r"\[[^\]\n]+\]\([^)\n]+\)"),
    "Code": re.compile(r"`[^`\n]+`"),
    "A table": re.compile(r"^\s*\|.*\|", re.MULTILINE),
}
_PROMPT_MARKDOWN = {
    "A table": (
        re.compile(r"^\s*\|?(?:\s*:?-{3,}:?\s*\|)+", re.MULTILINE),
        "The model reads its cells in a row when it quotes from it. Write one sentence for each row.",
    ),
    "A link": (
        re.compile(r"\[[^\]\n]+\]\([^)\n]+\)"),
        "Nobody can click on a call. Say what the caller should do instead.",
    ),
    "A block of code": (
        re.compile(r"^\s*```", re.MULTILINE),
        "A voice model may read it out. Say in words what it is for.",
    ),
}


def ssml(subject: LintSubject) -> Iterator[LintFinding]:
    """SSML and the stage directions of text-to-speech engines."""
    for label, text in subject.texts:
        reported: set[tuple[int, str]] = set()
        for match in _SSML.finditer(text):
            place = (line_of(text, match.start()), match[1].lower())
            if place not in reported:
                reported.add(place)
                yield finding(
                    label, place[0], "ssml", Severity.MUST,
                    f"“{match.group()[:60]}” is SSML. A speech-to-speech model has no SSML: it is ignored, or read out.",
                    line_text(text, match.start()), "Remove it; say in words how to speak, for example “pause briefly”.",
                )  # fmt: skip
        for match in _AUDIO_TAG.finditer(text):
            yield finding(
                label, line_of(text, match.start()), "audio_tag", Severity.SHOULD,
                f"“{match.group()}” is a stage direction for ElevenLabs. It may be read out.",
                line_text(text, match.start()), "Describe the manner once in the prompt: warm, calm, unhurried.",
            )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Trick:
    pattern: re.Pattern[str]
    said_only: bool
    kind: str
    sentence: str
    advice: str


_TRICKS = (
    _Trick(
        _PRONOUNCE, said_only=False, kind="name", sentence="A rule for pronouncing, made for a text-to-speech engine.",
        advice="Try it by ear. A voice model mostly says names right when they are spelled as usual; keep what helps.",
    ),
    _Trick(
        _SPELLED, said_only=False, kind="letters", sentence="Letters with hyphens or dots between them: a trick to have them spelled out.",
        advice="Write the word as usual and say “spell it letter by letter”.",
    ),
    _Trick(
        _SPELLED_DIGITS, said_only=False, kind="digits", sentence="A number written out as words, digit by digit.",
        advice="Write the digits and say “read it digit by digit”: then the model can also find it in what the caller says.",
    ),
    _Trick(
        _PAUSE_BY_SIGNS, said_only=False, kind="pause", sentence="Dots or dashes in a row, which make ElevenLabs pause.",
        advice="Remove them. Say “pause briefly” where it matters.",
    ),
    _Trick(
        _PAUSE_IN_WORDS, said_only=False, kind="pause", sentence="A rule to write signs so that the voice pauses. This model speaks, it does not write.",
        advice="Say “pause briefly” instead.",
    ),
    _Trick(
        _DOTS, said_only=True, kind="pause", sentence="Dots in a sentence that is said word for word, probably for a pause.",
        advice="Use a full stop or a comma.",
    ),
)  # fmt: skip


def pronunciation(subject: LintSubject) -> Iterator[LintFinding]:
    """Spelling tricks that were made for a text-to-speech engine; one finding for each kind and line."""
    for label, text in subject.texts:
        blank = prose(text)
        reported: set[tuple[int, str]] = set()
        for trick in _TRICKS:
            if trick.said_only and label == PROMPT:
                continue
            for match in trick.pattern.finditer(blank):
                line = line_of(text, match.start())
                if (line, trick.kind) not in reported:
                    reported.add((line, trick.kind))
                    excerpt = line_text(text, match.start())
                    yield finding(
                        label, line, "pronunciation", Severity.CONSIDER, trick.sentence, excerpt, trick.advice
                    )


def markdown_said(subject: LintSubject) -> Iterator[LintFinding]:
    """Markdown and emoji in what is said word for word."""
    for label, text in subject.said:
        blank = prose(text)
        for what, pattern in _SAID_MARKDOWN.items():
            match = pattern.search(blank)
            if match is not None:
                yield finding(
                    label, line_of(text, match.start()), "markdown", Severity.SHOULD,
                    f"{what} in a text that is said aloud.", line_text(text, match.start()),
                    "Write it as one would say it.",
                )  # fmt: skip
        emoji = _EMOJI.search(blank)
        if emoji is not None:
            yield finding(
                label, line_of(text, emoji.start()), "emoji", Severity.SHOULD,
                f"“{emoji.group()}” cannot be said.", line_text(text, emoji.start()), "Remove it.",
            )  # fmt: skip


def markdown_in_prompt(subject: LintSubject) -> Iterator[LintFinding]:
    """Layout of the prompt that a voice has no use for. Headings and lists are good structure and are left alone."""
    text = subject.instructions
    for what, (pattern, advice) in _PROMPT_MARKDOWN.items():
        match = pattern.search(text)
        if match is not None:
            line = line_of(text, match.end())
            yield finding(
                PROMPT, line, "markdown", Severity.CONSIDER, f"{what} in the prompt.", line_text(text, match.end()), advice
            )  # fmt: skip
    emoji = _EMOJI.search(text)
    if emoji is not None:
        line = line_of(text, emoji.start())
        yield finding(
            PROMPT, line, "emoji", Severity.CONSIDER, "Emoji in the prompt. They do nothing for a voice.",
            line_text(text, emoji.start()), "Write “important” or nothing.",
        )  # fmt: skip


_FORMATS = r"(?:json|markdown|html|xml|yaml|csv|plain text|bullet points?|bullets|a (?:bulleted|numbered) list|a table|tables)"
_TEXT_ONLY = (
    (
        re.compile(rf"\bformat(?:ted)?\b.{{0,50}}\b(?:as|in|using|with)\s+(?:valid\s+)?{_FORMATS}\b", re.IGNORECASE),
        "The answer is to have a written format.",
    ),
    (
        re.compile(rf"\b(?:respond|reply|answer|output|return|write)\b.{{0,30}}\b(?:in|as|with|using)\s+(?:valid\s+)?{_FORMATS}\b", re.IGNORECASE),
        "The answer is to have a written format.",
    ),
    (
        re.compile(r"\b(?:use|using|with|add|include)\s+(?:\w+\s+)?(?:bullet points|bullets|bulleted lists?|numbered lists?|bold|italics|headings|emojis?|markdown|line breaks|paragraphs)\b", re.IGNORECASE),
        "This asks for something that only a written answer has.",
    ),
    (
        re.compile(r"\bclick(?:s|ing)?\b(?:\s+(?:on|the|this|that|here|below|a|our|your|link|button|following)\b)+|\b(?:tap|press) (?:on )?the (?:link|button)\b|\bscroll (?:down|up|to)\b", re.IGNORECASE),
        "Callers have nothing to click on.",
    ),
    (
        re.compile(r"\b(?:link|list|table|form|button|image|picture)s? (?:below|above)\b|\bsee (?:the )?(?:above|below|attached)\b|\battached (?:file|document|image)s?\b|\bon (?:your|the|their) screen\b", re.IGNORECASE),
        "Callers see nothing.",
    ),
    (
        re.compile(r"\b(?:in|to|into|via|through) (?:the|this|our|live) chat\b|\bchat (?:window|box|widget|message)s?\b|\btext chat\b|\bchat ?(?:bot|assistant|agent)\b", re.IGNORECASE),
        "This is about a chat.",
    ),
    (
        re.compile(r"\btype (?:in|out|it|your|their)\b|\bcopy and paste\b|\bpaste (?:it|the|your|their)\b|\bupload (?:a|an|the|your|their)\b", re.IGNORECASE),
        "Callers cannot type, paste or upload.",
    ),
    (
        re.compile(r"^(?:please )?(?:always )?write (?:a|an|the|your|in|short|long|brief|concise|clear|complete|at most|only|no more)\b", re.IGNORECASE),
        "This model speaks; it does not write.",
    ),
    (
        re.compile(r"\b(?:under|max(?:imum)?|at most|up to|fewer than|less than|within|no more than) \d+ characters\b|\b\d+ characters or (?:less|fewer)\b", re.IGNORECASE),
        "A speaker does not count characters.",
    ),
)  # fmt: skip
_IN_SPEECH = "Say it for a voice: “one or two short sentences”, “read the items one after the other”."


def text_only(subject: LintSubject) -> Iterator[LintFinding]:
    """Rules that only make sense in writing; one that forbids such a thing does no harm."""
    for line, sentence in sentences(subject.instructions):
        for pattern, what in _TEXT_ONLY:
            match = pattern.search(sentence)
            if match is not None and not negated(sentence, match.start()):
                yield finding(PROMPT, line, "text_only", Severity.SHOULD, what, sentence, _IN_SPEECH)
                break


@dataclass(frozen=True, slots=True)
class _Ability:
    pattern: re.Pattern[str]
    by: frozenset[str]  # words of which a tool that can do it has one, in its name, kind or description
    sentence: str


_ABILITIES = (
    _Ability(
        re.compile(r"\bsend\b.{0,30}?\b(?:e-?mails?|links?|text messages?|texts?|sms|whatsapp|photos?|pictures?|files?|documents?)\b", re.IGNORECASE),
        words("sms send email mail message text link notify whatsapp"),
        "The assistant is to send something, but has no tool that sends.",
    ),
    _Ability(
        re.compile(r"(?:^|\b(?:then|and|please|must|to|at once|immediately|always) )(?:transfer|connect|forward|escalate|hand (?:off|over))\b.{0,40}\b(?:to|with)\b|^transfer\b", re.IGNORECASE),
        words("transfer connect forward handoff hand escalate route human operator agent"),
        "The assistant is to pass the caller on, but has no tool that does.",
    ),
    _Ability(
        re.compile(r"\bhang up\b|\bend (?:the|this) call\b|\bdisconnect\b", re.IGNORECASE),
        words("end hang hangup disconnect goodbye"),
        "The assistant is to hang up, but has no tool that does.",
    ),
    _Ability(
        re.compile(r"\b(?:search|browse|check|look up on|google)\b.{0,20}\b(?:the )?(?:web|internet|online|website)\b", re.IGNORECASE),
        words("search browse web internet website lookup query"),
        "The assistant is to look on the internet, but has no tool for it.",
    ),
    _Ability(
        re.compile(r"\b(?:show|display)\b.{0,20}\b(?:the caller|the customer|the user|them|him|her|a (?:map|picture|photo|menu|list|table)|the (?:map|picture|photo|menu))\b", re.IGNORECASE),
        frozenset(),
        "Nothing can be shown on the telephone.",
    ),
    _Ability(
        re.compile(r"\bplay (?:hold |some |the )?(?:music|a sound|a tone|a jingle)\b", re.IGNORECASE),
        frozenset(),
        "The model cannot play sounds; it would describe or hum them.",
    ),
)  # fmt: skip


def impossible(subject: LintSubject) -> Iterator[LintFinding]:
    """What the prompt wants and neither a telephone nor any of the tools can do."""
    able = frozenset(
        word
        for tool in subject.tools
        for word in re.findall(r"[a-z]+", f"{re.sub('(?=[A-Z])', ' ', tool.name)} {re.sub('(?=[A-Z])', ' ', tool.kind)} {tool.description}".lower())
    )  # fmt: skip
    for ability in _ABILITIES:
        if ability.by & able:
            continue
        for line, sentence in sentences(subject.instructions):
            match = ability.pattern.search(sentence)
            if match is not None and not negated(sentence, match.start()):
                yield finding(
                    PROMPT, line, "impossible", Severity.SHOULD, ability.sentence, sentence,
                    "Add a tool for it, or say what to offer instead: taking a message, a call back.",
                )  # fmt: skip
                break


_NUMBERS = re.compile(
    r"\b\d{4}-\d\d-\d\d\b|\b(?:1[3-9]|2[0-3]):[0-5]\d\b|\+?\b\d[\d\s().-]{7,}\d\b|\b[A-Z]{1,3}-?\d{4,}\b|\b\d{5,}\b|"
    r"\b(?:confirmation|order|reference|ticket|phone|account|invoice|booking|policy|tracking|card) (?:number|code)s?\b|\bdate of birth\b",
    re.IGNORECASE,
)  # fmt: skip
_SAYS_HOW = re.compile(
    r"digit by digit|one (?:digit|by one)|digits?\b.{0,30}\bgroups?|in groups|read (?:\w+\s){0,5}back|repeat (?:\w+\s){0,5}(?:back|number|digit)|"
    r"\b(?:say|speak|read|pronounce|spell)\b.{0,60}\b(?:numbers?|digits?|dates?|times?|prices?|amounts?|letters?)\b|"
    r"\b(?:numbers?|digits?|dates?|times?|prices?)\b.{0,40}\b(?:in words|as words|spoken|naturally|individually|slowly|out loud)\b|"
    r"spell (?:it|them|out|back)",
    re.IGNORECASE,
)  # fmt: skip


def numbers_without_how(subject: LintSubject) -> Iterator[LintFinding]:
    """Numbers, dates or times in the prompt, and no word on how to say them; one finding for all."""
    blank = prose(subject.instructions)
    match = _NUMBERS.search(blank)
    if match is None or _SAYS_HOW.search(blank):
        return
    yield finding(
        PROMPT, line_of(blank, match.start()), "numbers", Severity.CONSIDER,
        f"There are numbers or dates to say (“{match.group().strip()[:30]}”), and nothing says how.",
        line_text(subject.instructions, match.start()),
        "For example: “Read numbers digit by digit, in groups, and repeat them back. Say times like five thirty in the afternoon.”",
    )  # fmt: skip
