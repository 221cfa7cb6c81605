"""The form of an uploaded clip."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminTextInputWidget

from assistants.voices.wav import UPLOAD_MAX_BYTES, upload_too_large


class VoiceUploadForm(forms.Form):
    """A sound file, and what people are to call it. Its content is checked by whoever keeps it."""

    file = forms.FileField(
        label="Sound file",
        help_text=f"WAV, MP3, OGG or M4A, at most {UPLOAD_MAX_BYTES // 1024 // 1024} MiB.",
        allow_empty_file=True,
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": "audio/*,.wav,.mp3,.ogg,.opus,.m4a"}),
    )
    label = forms.CharField(
        label="What is it?",
        max_length=120,
        help_text="For example: Vapi, 11labs Rachel.",
        widget=UnfoldAdminTextInputWidget(),
    )

    def clean_file(self) -> Any:
        file: UploadedFile[bytes] = self.cleaned_data["file"]
        if why := upload_too_large(file.size or 0):
            raise ValidationError(why)
        return file
