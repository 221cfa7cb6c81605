"""Vapi's path of analytics, which ends in no slash."""

from django.urls import path

from calls.analytics import views

urlpatterns = [path("analytics", views.analytics, name="api-analytics")]
