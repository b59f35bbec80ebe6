# Postroad in a container: `docker build -t postroad .`; compose.yaml runs it. It writes /var/lib/postroad and nothing else,
# so the root file system can be read-only, and it runs as user 10001, who owns only that folder.
FROM python:3.13-slim AS build
WORKDIR /src

# What is installed is what the lock files name, by hash; what builds the package stays in this stage.
COPY requirements-extras.lock requirements-build.lock ./
RUN python -m venv /opt/postroad \
    && /opt/postroad/bin/pip install --no-cache-dir --require-hashes -r requirements-extras.lock \
    && python -m venv /opt/build \
    && /opt/build/bin/pip install --no-cache-dir --require-hashes -r requirements-build.lock

COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN /opt/build/bin/python -m hatchling build -t wheel -d /opt/dist \
    && /opt/postroad/bin/pip install --no-cache-dir --no-deps /opt/dist/*.whl

FROM python:3.13-slim
COPY --from=build /opt/postroad /opt/postroad
RUN install -d -o 10001 -g 10001 -m 0700 /var/lib/postroad
ENV PATH=/opt/postroad/bin:$PATH \
    HOME=/var/lib/postroad \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    POSTROAD__SERVER__BIND=0.0.0.0:8080 \
    POSTROAD__SERVER__DATA_DIR=/var/lib/postroad
USER 10001:10001
WORKDIR /var/lib/postroad
VOLUME /var/lib/postroad
# The admin address stays on the container's own loopback: `docker exec NAME postroad status` reaches it.
EXPOSE 8080
STOPSIGNAL SIGTERM
# Whether every region accepts and delivers; a start may have a log to look through.
HEALTHCHECK --interval=30s --timeout=10s --start-period=120s --retries=3 CMD ["postroad", "status"]
ENTRYPOINT ["postroad"]
CMD ["serve"]
