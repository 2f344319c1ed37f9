# Two images: `operator` and `airflow`. Neither carries the other's dependencies or code, nor what built it.
#
# Both work with BuildKit and with the classic builder, and on any base image that has Python >= 3.11 with venv, useradd,
# and glibc, since there is no compiler for packages without a wheel for another libc. What changes seldom comes first:
# Python packages, pinned by hash, then our own code, as a wheel without dependencies.
ARG BASE_IMAGE=python:3.12-slim

FROM ${BASE_IMAGE} AS base
USER 0
ENV PATH=/opt/venv/bin:$PATH \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PYTHONUNBUFFERED=1
WORKDIR /opt/airflow-container-job

# No image is made of the stages that fetch packages: a stage's history tells its arguments, and the address of an index
# may hold a password.
FROM base AS builder
# Where packages come from, if not from the public index.
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_TRUSTED_HOST
RUN python3 -m venv /opt/venv

FROM builder AS wheels
COPY requirements/build.txt .
RUN pip install --require-hashes --requirement build.txt
COPY pyproject.toml README.md ./
COPY dags/dynamic_pod dags/dynamic_pod
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels/airflow .
COPY operator operator
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels/operator .

FROM builder AS operator-packages
COPY requirements/operator.txt .
RUN pip install --require-hashes --requirement operator.txt

FROM base AS operator
RUN useradd --uid 65532 --no-create-home --shell /usr/sbin/nologin nonroot
COPY --from=operator-packages /opt/venv /opt/venv
COPY --from=wheels /wheels/operator .
# Every wheel of the project names the kubectl plugin's scripts; the plugin itself is in no image.
RUN pip install --no-deps --no-index *.whl && rm /opt/venv/bin/kubectl*
USER 65532:65532
ENTRYPOINT ["python", "-m", "airflow_container_job"]
ARG VERSION=0.1.0
ARG REVISION
ARG SOURCE
LABEL org.opencontainers.image.title="airflow-container-job operator" \
      org.opencontainers.image.description="Runs containers under Apache Airflow from a Kubernetes resource" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}"

FROM builder AS airflow-packages
COPY requirements/airflow.txt .
RUN pip install --require-hashes --requirement airflow.txt

FROM base AS airflow
ENV AIRFLOW_HOME=/opt/airflow \
    AIRFLOW__CORE__DAGS_FOLDER=/opt/airflow-container-job/dags
RUN useradd --uid 50000 --gid 0 --create-home --home-dir /opt/airflow airflow && chmod 775 /opt/airflow
COPY --from=airflow-packages /opt/venv /opt/venv
COPY docker/airflow-entrypoint /entrypoint
COPY --from=wheels /wheels/airflow .
RUN pip install --no-deps --no-index *.whl && rm /opt/venv/bin/kubectl*
COPY dags/*.py dags/
# A checkout that was made with another umask may have files that only their owner reads.
RUN chmod 755 /entrypoint && chmod -R a+rX dags
USER 50000:0
ENTRYPOINT ["/entrypoint"]
CMD ["standalone"]
ARG VERSION=0.1.0
ARG REVISION
ARG SOURCE
LABEL org.opencontainers.image.title="airflow-container-job Airflow" \
      org.opencontainers.image.description="Apache Airflow with the dynamic pod operator and its generic DAG" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}"
