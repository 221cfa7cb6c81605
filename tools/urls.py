from django.urls import path

from tools import views

urlpatterns = [path("capture/<str:token>", views.capture_proxy, name="capture")]
