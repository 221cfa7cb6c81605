"""Vapi's paths, which end in no slash."""

from django.urls import path

from assistants.api.views import assistants, squads, tools

urlpatterns = [
    path("assistant", assistants.collection(), name="api-assistants"),
    path("assistant/<str:given>", assistants.single(), name="api-assistant"),
    path("tool", tools.collection(), name="api-tools"),
    path("tool/<str:given>", tools.single(), name="api-tool"),
    path("squad", squads.collection(), name="api-squads"),
    path("squad/<str:given>", squads.single(), name="api-squad"),
]
