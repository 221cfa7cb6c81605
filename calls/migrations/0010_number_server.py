import django.core.validators
import django.db.models.deletion
import tools.encryption
import tools.ordered_json
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("calls", "0009_call_breaks"),
        ("tools", "0004_duplicates_and_encryption"),
    ]

    operations = [
        migrations.CreateModel(
            name="NumberServer",
            fields=[
                (
                    "number",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="server",
                        serialize=False,
                        to="calls.phonenumber",
                    ),
                ),
                (
                    "server_url",
                    models.TextField(
                        help_text="Asked for tools that have no server, in calls of an assistant that has none. A change is in force at once.",
                        validators=[django.core.validators.URLValidator(schemes=["http", "https"])],
                        verbose_name="server URL",
                    ),
                ),
                (
                    "server_secret",
                    tools.encryption.EncryptedTextField(
                        blank=True, help_text="Sent as X-Vapi-Secret to the server URL above."
                    ),
                ),
                (
                    "server_headers",
                    tools.encryption.EncryptedTextField(
                        blank=True,
                        help_text="A JSON object of headers that are sent to the server URL above.",
                    ),
                ),
                (
                    "server_backoff_plan",
                    tools.ordered_json.OrderedJSONField(
                        blank=True,
                        default=dict,
                        help_text="Whether a failed request to the server URL above is sent again, in Vapi's form. Empty: never.",
                        verbose_name="sending again",
                    ),
                ),
                (
                    "server_encrypted_paths",
                    tools.ordered_json.OrderedJSONField(
                        blank=True,
                        default=list,
                        help_text='Encrypted with the credential\'s public key before they are sent: ["ssn", "payment.cardNumber"].',
                        verbose_name="encrypted arguments",
                    ),
                ),
                (
                    "credential",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="number_servers",
                        to="tools.credential",
                    ),
                ),
            ],
            options={
                "verbose_name": "server of a number",
                "verbose_name_plural": "servers of numbers",
            },
        ),
    ]
