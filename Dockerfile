# The commands in a container, on a processor or a GPU:
#
#   docker build -t attnmask .
#   docker build -t attnmask:cuda --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu128 .
#   docker run --rm -v "$PWD:/work" attnmask demo --out demo
#   docker run --rm --gpus all -v "$PWD:/work" attnmask:cuda build --recipe birds.yaml --out birds
#
# With CUDA, PyTorch's wheels bring the libraries, and the host its driver and the NVIDIA container toolkit.
ARG BASE=python:3.12-slim
FROM ${BASE}

ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ARG EXTRAS=train,ray,viz
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 HF_HOME=/cache/huggingface

RUN pip install torch torchvision --index-url "${TORCH_INDEX}"
COPY . /src
RUN pip install "/src[${EXTRAS}]" && rm -rf /src && attnmask doctor

RUN useradd --create-home user && mkdir -p /work /cache && chown user /work /cache
USER user
WORKDIR /work
VOLUME /cache
ENTRYPOINT ["attnmask"]
CMD ["--help"]
