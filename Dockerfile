# CPU image, also a Hugging Face Docker Space (user id 1000, port 7860).
# The default wheel of torch carries GPU libraries; to leave them out give pip the address of
# PyTorch's own CPU wheels: docker build --build-arg TORCH_INDEX=... .
FROM python:3.11-slim

RUN useradd --create-home --uid 1000 user
USER user
ENV HOME=/home/user \
    PATH=/home/user/.local/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /home/user/app

# Libraries first, so that a change of our code does not install them again.
COPY --chown=user pyproject.toml constraints.txt README.md LICENSE ./
COPY --chown=user engine/__init__.py engine/__init__.py
COPY --chown=user app.py app.py
ARG TORCH_INDEX=""
RUN if [ -n "$TORCH_INDEX" ]; then \
      pip install --user --index-url "$TORCH_INDEX" \
        "torch==$(sed -n 's/^torch==//p' constraints.txt)" \
        "torchvision==$(sed -n 's/^torchvision==//p' constraints.txt)"; \
    fi && \
    pip install --user --constraint constraints.txt ".[agents,cloud,spine]"

COPY --chown=user . .
RUN pip install --user --no-deps --force-reinstall .

ENV LIGHTBOX_HOST=0.0.0.0 \
    LIGHTBOX_PORT=7860
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
  CMD python -c "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ['LIGHTBOX_PORT'] + '/health', timeout=4)"
CMD ["lightbox", "serve"]
