"""What a call is called, in templates."""

from django import template

from calls.naming import ends_of

register = template.Library()
register.filter("ends_of", ends_of)
