# syntax=docker/dockerfile:1
ARG PYTHON=python:3.12.11-slim-bookworm
FROM ${PYTHON} AS build
WORKDIR /src
COPY requirements.txt .
RUN python -m venv /opt/truelike && /opt/truelike/bin/pip install --no-cache-dir --no-deps --require-hashes -r requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY services services
COPY shared shared
RUN /opt/truelike/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM ${PYTHON}
RUN useradd --uid 10001 --create-home truelike && mkdir -p /data/checkpoints /data/export /data/numba /data/access && chown -R truelike /data
COPY --from=build /opt/truelike /opt/truelike
ENV PATH=/opt/truelike/bin:$PATH PYTHONUNBUFFERED=1 LOG_FORMAT=json HTTP_HOST=0.0.0.0 HTTP_PORT=8080 \
    CHECKPOINT_DIR=/data/checkpoints EXPORT_DIR=/data/export NUMBA_CACHE_DIR=/data/numba
USER truelike
WORKDIR /data
# Compile once into the image, so that a container is ready in seconds.
RUN python -c "from services.detector.warm_up import warm_up as a; from services.predictor.task import warm_up as b; a(); b()"
HEALTHCHECK --interval=5s --timeout=3s --start-period=60s --retries=3 \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/readyz', timeout=2)"]
CMD ["truelike", "--help"]
