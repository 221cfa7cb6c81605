"""Vapi's paths of phone numbers, which end in no slash."""

from django.urls import path

from calls.numbers.api.views import numbers, paged

urlpatterns = [
    path("phone-number", numbers.collection(), name="api-phone-numbers"),
    path("v2/phone-number", paged, name="api-phone-numbers-paged"),
    path("phone-number/<str:given>", numbers.single(), name="api-phone-number"),
]
