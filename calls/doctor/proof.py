"""How the doctor knows that it is this installation that answers at a public address, and not another one."""

from django.utils.crypto import constant_time_compare, salted_hmac

PATH = "/twilio/check"
LONGEST_NONCE = 64


def proof_for(nonce: str) -> str:
    """What only a process with our SECRET_KEY can answer to this nonce."""
    return salted_hmac("calls.doctor.proof", nonce[:LONGEST_NONCE]).hexdigest()


def proof_valid(nonce: str, answered: str) -> bool:
    """Whether that is the answer to this nonce."""
    return constant_time_compare(answered, proof_for(nonce))
