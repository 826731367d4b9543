"""Sends images to a vLLM server as embeddings of glm4v. The server's vision tower does not run.

    pip install glm4v-*.whl                                                      # beside vLLM, for its plugin
    vllm serve zai-org/GLM-4.1V-9B-Thinking --enable-mm-embeds                   # in another terminal
    python examples/python/ask_vllm.py "What is in the picture?" cat.jpg -m zai-org/GLM-4.1V-9B-Thinking

The embeddings are sent in f16. The server converts them to the type of its model.
"""

import argparse
import json
import urllib.request

import glm4v


def main():
    arguments = parse()
    encoder = glm4v.VisionEncoder.from_pretrained(arguments.model, dtype=arguments.dtype)
    items = encoder.encode(arguments.images, uuid=True)
    parts = [glm4v.openai_part(item, dtype="f16") for item in items]
    print(ask(arguments.url, arguments.model, arguments.question, parts))


def ask(url, model, question, parts):
    """The answer of the server to the question about the images."""
    content = [*parts, {"type": "text", "text": question}]
    body = {"model": model, "messages": [{"role": "user", "content": content}]}
    request = urllib.request.Request(
        f"{url}/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request) as response:
        return json.load(response)["choices"][0]["message"]["content"]


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("question")
    parser.add_argument("images", nargs="+")
    parser.add_argument("-m", "--model", required=True, help="the model that the server has")
    parser.add_argument("--dtype", default="bf16", help="the type of the computation")
    parser.add_argument("--url", default="http://localhost:8000/v1")
    return parser.parse_args()


if __name__ == "__main__":
    main()
