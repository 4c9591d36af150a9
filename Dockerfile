# One image: `python -m ui` (the default), `python -m api`, `python -m core …` (the command line), `python -m dask …`, `python -m mlflow …`.
FROM python:3.11.14-slim-bookworm

RUN apt-get update \
 && apt-get install -y --no-install-recommends tini=0.19.0-* \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --create-home --uid 10001 workbench \
 && install -d -o workbench -g workbench /data /mlflow

WORKDIR /app

# Dependencies first: they change less often than the code. The lock constrains versions and hashes.
COPY pyproject.toml requirements.lock ./
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
RUN awk '/^[a-z]/ { mine = /^uv==/ } mine' requirements.lock > /tmp/uv.txt \
 && pip install --no-cache-dir --require-hashes -r /tmp/uv.txt \
 && uv pip install --system --no-cache --compile-bytecode \
      -r pyproject.toml --extra postgres --extra dask --constraint requirements.lock \
 && pip uninstall --yes uv \
 && rm /tmp/uv.txt

COPY LICENSE README.md main.py ./
COPY .streamlit .streamlit
COPY core core
COPY config config
COPY strategies strategies
COPY api api
COPY ui ui
RUN python -m compileall -q core strategies api ui

ENV PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 \
    WORKBENCH_DATA_DIR=/data

USER 10001:10001
VOLUME /data
EXPOSE 8501 8000

# Which server this container runs is decided by its command, so the address to ask comes with it.
ENV HEALTH_URL=http://127.0.0.1:8501/_stcore/health
HEALTHCHECK --interval=15s --timeout=5s --start-period=120s --retries=4 \
  CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(os.environ['HEALTH_URL'], timeout=4)"]

ENTRYPOINT ["tini", "--"]
CMD ["python", "-m", "ui"]
