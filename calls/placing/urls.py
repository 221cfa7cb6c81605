"""Vapi's paths of calls, which end in no slash, our own way to begin one, and Twilio's webhooks of calls that we place."""

from django.urls import path

from calls.placing import views, webhooks

urlpatterns = [
    path("twilio/outbound/<uuid:call_id>", webhooks.outbound_voice, name="twilio-outbound"),
    path("twilio/outbound/<uuid:call_id>/status", webhooks.outbound_status, name="twilio-outbound-status"),
    path("twilio/outbound/<uuid:call_id>/machine", webhooks.outbound_machine, name="twilio-outbound-machine"),
    path("assistant/start", views.phone, name="api-assistant-start"),
    path("call", views.calls, name="api-calls"),
    path("call/phone", views.phone, name="api-call-phone"),
    path("call/<str:given>", views.call, name="api-call"),
    path("call/<str:given>/control", views.control, name="api-call-control"),
]
