# drorch as an image: docker build -t drorch .
# With PostgreSQL and TLS: deploy/compose.yaml, told in docs/deployment.md. Alone, on loopback:
#   docker run --network host --read-only --tmpfs /tmp --cap-drop ALL \
#     --security-opt no-new-privileges -v drorch-data:/data -v /etc/drorch:/etc/drorch:ro drorch
# `make image-proof` carries these very steps out in a clean Debian, without a container engine.
ARG BASE=python:3.13-slim-trixie

FROM ${BASE} AS build
WORKDIR /src
COPY requirements requirements
RUN python3 -m venv /opt/build
RUN /opt/build/bin/python -m pip install --quiet --no-cache-dir --require-hashes --only-binary=:all: --requirement requirements/build.txt
RUN python3 -m venv --without-pip /opt/drorch
RUN /opt/build/bin/python -m pip --python /opt/drorch/bin/python install --quiet --no-cache-dir --require-hashes --only-binary=:all: --requirement requirements/extras.txt
COPY . .
RUN /opt/build/bin/python -m pip wheel --quiet --no-deps --no-build-isolation --no-index --wheel-dir /tmp/wheel .
RUN /opt/build/bin/python -m pip --python /opt/drorch/bin/python install --quiet --no-deps --no-index /tmp/wheel/*.whl
RUN /opt/drorch/bin/python -m compileall -q /opt/drorch/lib

FROM ${BASE} AS image
RUN groupadd --gid 10001 drorch && useradd --uid 10001 --gid 10001 --home-dir /data --shell /usr/sbin/nologin drorch
RUN mkdir -p /data /etc/drorch && chown 10001:10001 /data
COPY --from=build /opt/drorch /opt/drorch
ENV PATH=/opt/drorch/bin:/usr/local/bin:/usr/bin:/bin
ENV PYTHONDONTWRITEBYTECODE=1
ENV PYTHONUNBUFFERED=1
ENV HOME=/data
ENV DRORCH_DATA_DIR=/data
WORKDIR /data
VOLUME /data
EXPOSE 8140
USER 10001:10001
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s CMD ["python3", "-P", "-m", "api.answering"]
ENTRYPOINT ["drorch"]
CMD ["serve"]
