# The project's two commands in a container, and nothing else:
#   docker build -t lab .
#   docker build -t lab --build-arg BASE=nvidia/cuda:13.0.1-base-ubuntu24.04 .     and then docker run --gpus all
# torch brings CUDA itself; such a base only has the container's runtime hand the driver in. Any Debian or Ubuntu will do
# whose python3 is 3.11 to 3.13.
ARG BASE=debian:bookworm-slim
FROM ${BASE}

# On Debian, --build-arg MORE="chromium fonts-dejavu-core libatomic1" adds what the tests of
# pages want; they are skipped without.
ARG MORE=
RUN apt-get update \
    && apt-get install -y --no-install-recommends make git ca-certificates python3 python3-venv ${MORE} \
    && rm -rf /var/lib/apt/lists/*

# Not root: what is written to a folder of the machine would be root's. WORKDIR alone makes a folder of root's, where
# docker builds without BuildKit.
RUN useradd --create-home student
USER student
RUN mkdir /home/student/lab
WORKDIR /home/student/lab
COPY --chown=student . .

# Makes the environment, fetches the data, runs the notebooks; or, given as the command, make test.
CMD ["make", "report"]
