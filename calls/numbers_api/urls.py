"""Vapi's paths of phone numbers, which end in no slash."""

from django.urls import path

from calls.numbers_api import views

urlpatterns = [
    path("phone-number", views.numbers, name="api-phone-numbers"),
    path("phone-number/<str:given>", views.number, name="api-phone-number"),
]
