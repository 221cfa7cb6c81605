"""Vapi's paths, which end in no slash."""

from django.urls import path

from assistants.api.views import collection, single, squad, squads

urlpatterns = [
    path("assistant", collection("assistant"), name="api-assistants"),
    path("assistant/<str:given>", single("assistant"), name="api-assistant"),
    path("tool", collection("tool"), name="api-tools"),
    path("tool/<str:given>", single("tool"), name="api-tool"),
    path("squad", squads, name="api-squads"),
    path("squad/<str:given>", squad, name="api-squad"),
]
