from django.urls import path

from calls.websocket_calls import views

urlpatterns = [path("call/web", views.web_call, name="api-call-web")]
