ARG PYTHON=python:3.12.11-slim-bookworm
FROM ${PYTHON} AS build
RUN apt-get update -qq && apt-get install -qq -y --no-install-recommends binutils >/dev/null
WORKDIR /src
COPY requirements.txt .
# Of what the wheels bring, a third is never read here: symbols, headers, tests, Arrow over the network.
RUN python -m venv --without-pip /opt/truelike \
  && pip --python /opt/truelike/bin/python install --no-cache-dir --no-compile --no-deps --require-hashes -r requirements.txt \
  && cd /opt/truelike/lib/python3.*/site-packages \
  && rm -rf pyarrow/include pyarrow/*flight* pyarrow/*s3* pyarrow/libarrow_python*.so pyarrow/libarrow_python*.so.*.*.* \
  && find . -depth -type d -name tests -exec rm -rf {} + \
  && find . -type f -regex '.*\.\(h\|hpp\|c\|cc\|pyi\|pyx\|pxd\|pxi\|a\|exe\)' -delete \
  && find . -type f -name '*.so*' -exec strip --strip-unneeded {} +
COPY pyproject.toml README.md LICENSE ./
COPY services services
COPY shared shared
COPY truelike truelike
# Compiled once into the image, so that a container is ready in seconds.
RUN pip --python /opt/truelike/bin/python install --no-cache-dir --no-compile --no-deps --no-build-isolation . \
  && pip --python /opt/truelike/bin/python uninstall --yes --quiet setuptools \
  && mkdir -p /data/checkpoints /data/export /data/access /data/admin \
  && cd /data && export NUMBA_CACHE_DIR=/opt/truelike/compiled PATH=/opt/truelike/bin:$PATH \
  && python -c "import pkgutil, services, truelike; [__import__(m.name) for p in (services, truelike) \
    for m in pkgutil.walk_packages(p.__path__, p.__name__ + '.') if not m.name.endswith('__main__')]" \
  && truelike compile

FROM ${PYTHON}
RUN useradd --uid 10001 truelike
COPY --from=build /opt/truelike /opt/truelike
COPY --from=build --chown=10001:10001 /data /data
COPY shared/healthcheck.py /opt/truelike/
ENV PATH=/opt/truelike/bin:$PATH PYTHONUNBUFFERED=1 LOG_FORMAT=json HTTP_HOST=0.0.0.0 HTTP_PORT=8080 \
    CHECKPOINT_DIR=/data/checkpoints EXPORT_DIR=/data/export NUMBA_CACHE_DIR=/tmp/compiled
USER truelike
WORKDIR /data
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 \
  CMD ["python", "-IS", "/opt/truelike/healthcheck.py"]
# Numba wants to be able to write where it finds what was compiled. Not on a volume, which would outlive the image.
ENTRYPOINT ["sh", "-c", "cp -R /opt/truelike/compiled /tmp && exec \"$@\"", "truelike"]
CMD ["truelike", "--help"]
