# speechclean in a container; /data is where it looks for files.
#
#   docker build -t speechclean .                             # torch for CPUs alone
#   docker build -t speechclean --build-arg TORCH=cuda .      # for CUDA, as the package index has it
#   docker build -t speechclean --build-arg EXTRAS=all .      # more than cleaning: measured, judged, recorded
#   docker run --rm -v "$PWD:/data" speechclean clean in.wav -o out.wav      # with CUDA: --gpus all
FROM python:3.12-slim

# cpu and other backends that uv knows come from torch's publisher, cuda from the package index.
ARG TORCH=cpu
ARG EXTRAS=""
ENV SPEECHCLEAN_WEIGHTS=/weights

WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY constraints.txt ./
COPY constraints constraints
COPY conf conf
COPY speechclean speechclean
RUN pip install --no-cache-dir -c constraints/3.12.txt uv \
    && if [ "$TORCH" = cuda ]; then backend=; else backend="--torch-backend=$TORCH"; fi \
    && uv pip install --system --no-cache $backend -c constraints/3.12.txt ".${EXTRAS:+[$EXTRAS]}" \
    && speechclean weights fetch deepfilternet3 spleeter_2stems

WORKDIR /data
ENTRYPOINT ["speechclean"]
CMD ["--help"]
