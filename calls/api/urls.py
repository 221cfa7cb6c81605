"""Vapi's paths of calls, which end in no slash."""

from django.urls import path

from calls.api import views

urlpatterns = [
    path("call", views.calls, name="api-calls"),
    path("call/<str:given>", views.call, name="api-call"),
]
