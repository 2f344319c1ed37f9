# Two images: `operator` and `airflow`. Neither carries the other's dependencies or code.
#
# Both work with BuildKit and with the classic builder, and on any base image that has Python >= 3.11 with venv. What
# changes seldom comes first: Python packages, pinned by hash, then our own code, as a wheel without dependencies.
ARG BASE_IMAGE=python:3.12-slim

FROM ${BASE_IMAGE} AS base
# Where packages come from, if not from the public index; used while building, not kept in the image.
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_TRUSTED_HOST
ENV PATH=/opt/venv/bin:$PATH \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PYTHONUNBUFFERED=1
RUN python3 -m venv /opt/venv
WORKDIR /opt/airflow-container-job

FROM base AS wheels
COPY requirements/build.txt .
RUN pip install --require-hashes --requirement build.txt
COPY pyproject.toml README.md ./
COPY dags/dynamic_pod dags/dynamic_pod
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels/airflow .
COPY operator operator
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels/operator .

FROM base AS operator
LABEL org.opencontainers.image.title="airflow-container-job operator" \
      org.opencontainers.image.description="Runs containers under Apache Airflow from a Kubernetes resource" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --uid 65532 --no-create-home --shell /usr/sbin/nologin nonroot
COPY requirements/operator.txt .
RUN pip install --require-hashes --requirement operator.txt
COPY --from=wheels /wheels/operator .
# Every wheel of the project names the kubectl plugin's scripts; the plugin itself is in no image.
RUN pip install --no-deps --no-index *.whl && rm /opt/venv/bin/kubectl*
USER 65532:65532
ENTRYPOINT ["python", "-m", "airflow_container_job"]

FROM base AS airflow
LABEL org.opencontainers.image.title="airflow-container-job Airflow" \
      org.opencontainers.image.description="Apache Airflow with the dynamic pod operator and its generic DAG" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV AIRFLOW_HOME=/opt/airflow \
    AIRFLOW__CORE__DAGS_FOLDER=/opt/airflow-container-job/dags
RUN useradd --uid 50000 --gid 0 --create-home --home-dir /opt/airflow airflow && chmod 775 /opt/airflow
COPY requirements/airflow.txt .
RUN pip install --require-hashes --requirement airflow.txt
COPY --from=wheels /wheels/airflow .
RUN pip install --no-deps --no-index *.whl && rm /opt/venv/bin/kubectl*
COPY dags/*.py dags/
USER 50000:0
ENTRYPOINT ["airflow"]
CMD ["standalone"]
