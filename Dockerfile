# One image for every role; docker-compose.yml gives each its command.
FROM python:3.12-slim AS build

ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
COPY requirements.txt .
RUN /opt/venv/bin/pip install -r requirements.txt

FROM python:3.12-slim

ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DJANGO_SETTINGS_MODULE=config.settings.production \
    SPOOL_DIR=/var/lib/tandem/spool \
    RECORDINGS_DIR=/var/lib/tandem/recordings

RUN useradd --system --uid 10001 --home-dir /srv/tandem --shell /usr/sbin/nologin tandem \
    && install -d -o tandem -g tandem /var/lib/tandem /var/lib/tandem/spool /var/lib/tandem/recordings \
    /var/lib/tandem/beat

COPY --from=build /opt/venv /opt/venv
WORKDIR /srv/tandem
COPY . .

# Collecting static files touches no store and no other party, so any values will do; none of them stays in the image.
RUN SECRET_KEY=build \
    FIELD_ENCRYPTION_KEY=build \
    PUBLIC_ORIGIN=https://build.invalid \
    DATABASE_URL=postgresql://build.invalid/build \
    REDIS_URL=redis://build.invalid \
    OPENAI_API_KEY=build \
    TWILIO_ACCOUNT_SID=build \
    TWILIO_AUTH_TOKEN=build \
    python manage.py collectstatic --noinput --skip-checks

USER tandem
VOLUME /var/lib/tandem/spool
EXPOSE 8000

# For the roles that serve HTTP; the others bring their own in docker-compose.yml.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-m", "config.probe", "http://127.0.0.1:8000/healthz"]

CMD ["python", "manage.py", "web", "--host", "0.0.0.0", "--port", "8000"]
