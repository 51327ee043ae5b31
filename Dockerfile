# mmcli with its Python, without what installed it: `docker build -t mmcli .` in the root of the repository.
FROM debian:trixie-slim AS build
RUN apt-get update && apt-get install --yes --no-install-recommends python3-venv
RUN python3 -m venv /opt/mmcli
COPY . /src
# Of pyproject.toml: --build-arg EXTRAS='[audio,parquet]'
ARG EXTRAS=
RUN cd /src && /opt/mmcli/bin/pip install --no-cache-dir --constraint constraints.txt ".$EXTRAS" \
    && /opt/mmcli/bin/pip uninstall --yes pip

FROM debian:trixie-slim
# ca-certificates: `mmcli data fetch` downloads by https.
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates python3 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/mmcli /opt/mmcli
# A home for any user, as of `--user "$(id -u)"`; a volume there keeps compiled programs for the next container.
RUN useradd --create-home mmcli && chmod 1777 /home/mmcli
ENV HOME=/home/mmcli PATH=/opt/mmcli/bin:$PATH
USER mmcli
WORKDIR /work
ENTRYPOINT ["mmcli"]
