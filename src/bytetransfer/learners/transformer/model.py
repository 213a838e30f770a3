"""The decoder as functions of a dictionary of weights, in the parameterisation of HF's Llama.

Pre-norm RMSNorm, rotary positions (half-split), gated GELU, no biases, tied embeddings. A *state*
holds the weights under the names and shapes of `LlamaForCausalLM` (hidden_act "gelu"), so a saved
state is such a checkpoint as it stands. For speed the model computes with *fused* weights:

    fused name                  of layer i in a state (prefix model.layers.i.)
    embed                       model.embed_tokens.weight (also the output layer)
    norm                        model.norm.weight
    i.attention_norm            input_layernorm.weight
    i.qkv                       self_attn.{q,k,v}_proj.weight, one over the other
    i.output                    self_attn.o_proj.weight
    i.feed_forward_norm         post_attention_layernorm.weight
    i.gate_up                   mlp.gate_proj.weight over mlp.up_proj.weight
    i.down                      mlp.down_proj.weight

Letters of the shape suffixes: B sequences, T positions, D width, H heads, K width of a head,
F feed-forward, V vocabulary, N = B·H.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from bytetransfer.learners.transformer.attention import ROTARY_BASE, Tables, attend
from bytetransfer.learners.transformer.settings import DOCUMENT, VOCABULARY, Shape

EPSILON = 1e-5

State = dict[str, Tensor]
Weights = dict[str, Tensor]


def initial_state(shape: Shape, seed: int) -> State:
    """Random weights: normal, 1/√fan-in; what writes to the residual stream divided by √(2·layers).

    A function of the shape and the seed alone (drawn on the CPU, in float32).
    """
    random = torch.Generator().manual_seed(seed)
    residual = 1 / math.sqrt(2 * shape.layers)

    def normal(rows: int, columns: int, scale: float) -> Tensor:
        return torch.randn(rows, columns, generator=random) * scale

    width, hidden = shape.width, shape.feed_forward
    fan, fan_hidden = 1 / math.sqrt(width), 1 / math.sqrt(hidden)
    state = {"model.embed_tokens.weight": normal(VOCABULARY, width, 0.02)}
    for layer in range(shape.layers):
        prefix = f"model.layers.{layer}."
        state[prefix + "input_layernorm.weight"] = torch.ones(width)
        for name in ("q", "k", "v"):
            state[prefix + f"self_attn.{name}_proj.weight"] = normal(width, width, fan)
        state[prefix + "self_attn.o_proj.weight"] = normal(width, width, fan * residual)
        state[prefix + "post_attention_layernorm.weight"] = torch.ones(width)
        for name in ("gate", "up"):
            state[prefix + f"mlp.{name}_proj.weight"] = normal(hidden, width, fan)
        state[prefix + "mlp.down_proj.weight"] = normal(width, hidden, fan_hidden * residual)
    state["model.norm.weight"] = torch.ones(width)
    return state


def llama_config(shape: Shape) -> dict[str, Any]:
    """The `config.json` under which a saved state is a Hugging Face Llama model."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": VOCABULARY,
        "hidden_size": shape.width,
        "intermediate_size": shape.feed_forward,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.heads,
        "max_position_embeddings": shape.context,
        "hidden_act": "gelu",
        "rms_norm_eps": EPSILON,
        "rope_theta": ROTARY_BASE,
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": True,
        "bos_token_id": DOCUMENT,
        "eos_token_id": None,
        "torch_dtype": "float32",
    }


def fuse(state: State, shape: Shape) -> Weights:
    """The weights the model computes with; copies, not views of `state`."""
    weights = {"embed": state["model.embed_tokens.weight"], "norm": state["model.norm.weight"]}
    for layer in range(shape.layers):
        prefix = f"model.layers.{layer}."
        q, k, v = (state[f"{prefix}self_attn.{name}_proj.weight"] for name in "qkv")
        weights |= {
            f"{layer}.attention_norm": state[prefix + "input_layernorm.weight"],
            f"{layer}.qkv": torch.cat([q, k, v]),
            f"{layer}.output": state[prefix + "self_attn.o_proj.weight"],
            f"{layer}.feed_forward_norm": state[prefix + "post_attention_layernorm.weight"],
            f"{layer}.gate_up": torch.cat(
                [state[f"{prefix}mlp.{name}_proj.weight"] for name in ("gate", "up")]
            ),
            f"{layer}.down": state[prefix + "mlp.down_proj.weight"],
        }
    return {name: tensor.detach().clone() for name, tensor in weights.items()}


def unfuse(weights: Weights, shape: Shape) -> State:
    """The inverse of `fuse`, exact; on the CPU."""
    cpu = {name: tensor.detach().to("cpu", copy=True) for name, tensor in weights.items()}
    state = {"model.embed_tokens.weight": cpu["embed"]}
    for layer in range(shape.layers):
        prefix = f"model.layers.{layer}."
        q, k, v = cpu[f"{layer}.qkv"].chunk(3)
        gate, up = cpu[f"{layer}.gate_up"].chunk(2)
        state |= {
            prefix + "input_layernorm.weight": cpu[f"{layer}.attention_norm"],
            prefix + "self_attn.q_proj.weight": q.clone(),
            prefix + "self_attn.k_proj.weight": k.clone(),
            prefix + "self_attn.v_proj.weight": v.clone(),
            prefix + "self_attn.o_proj.weight": cpu[f"{layer}.output"],
            prefix + "post_attention_layernorm.weight": cpu[f"{layer}.feed_forward_norm"],
            prefix + "mlp.gate_proj.weight": gate.clone(),
            prefix + "mlp.up_proj.weight": up.clone(),
            prefix + "mlp.down_proj.weight": cpu[f"{layer}.down"],
        }
    state["model.norm.weight"] = cpu["norm"]
    return state


def training_nats(
    weights: Weights, x_BT: Tensor, y_BT: Tensor, shape: Shape, tables: Tables, attention: str
) -> Tensor:
    """Summed nats of predicting `y_BT` from `x_BT`; targets that are `DOCUMENT` do not count."""
    dtype = tables.cosine.dtype
    cast = {name: w if w.dim() == 1 else w.to(dtype) for name, w in weights.items()}
    h_BTD = hidden(cast, x_BT, shape, tables, attention)
    logits_BTV = F.linear(h_BTD.to(dtype), cast["embed"]).float()
    return F.cross_entropy(
        logits_BTV.view(-1, VOCABULARY), y_BT.reshape(-1), ignore_index=DOCUMENT, reduction="sum"
    )


def target_nats(
    weights: Weights, x_BT: Tensor, y_BT: Tensor, shape: Shape, tables: Tables, attention: str
) -> Tensor:
    """Nats of each target, float32, shape (B, T); 0 where the target is `DOCUMENT`.

    The output layer is computed in float32 whatever the type of `tables`, since rounding logits
    would bias every loss upwards.
    """
    dtype = tables.cosine.dtype
    cast = {name: w if w.dim() == 1 else w.to(dtype) for name, w in weights.items()}
    h_BTD = hidden(cast, x_BT, shape, tables, attention)
    logits_BTV = F.linear(h_BTD.float(), weights["embed"])
    nats = F.cross_entropy(
        logits_BTV.view(-1, VOCABULARY), y_BT.reshape(-1), ignore_index=DOCUMENT, reduction="none"
    )
    return nats.view(y_BT.shape)


def hidden(weights: Weights, x_BT: Tensor, shape: Shape, tables: Tables, attention: str) -> Tensor:
    """The normed output of the last layer, shape (B, T, D), float32.

    Matrix products are in the type of `tables`, the residual stream and the norms in float32.
    """
    dtype = tables.cosine.dtype
    h_BTD = F.embedding(x_BT, weights["embed"]).float()
    for layer in range(shape.layers):
        a_BTD = rms_norm(h_BTD, weights[f"{layer}.attention_norm"]).to(dtype)
        a_BTD = attend(F.linear(a_BTD, weights[f"{layer}.qkv"]), tables, shape, attention)
        h_BTD = h_BTD + F.linear(a_BTD, weights[f"{layer}.output"])
        a_BTD = rms_norm(h_BTD, weights[f"{layer}.feed_forward_norm"]).to(dtype)
        gate_BTF, up_BTF = F.linear(a_BTD, weights[f"{layer}.gate_up"]).chunk(2, -1)
        h_BTD = h_BTD + F.linear(F.gelu(gate_BTF) * up_BTF, weights[f"{layer}.down"])
    return rms_norm(h_BTD, weights["norm"])


def rms_norm(h_BTD: Tensor, gain_D: Tensor) -> Tensor:
    """`h` over its root mean square, times a gain."""
    return F.rms_norm(h_BTD, gain_D.shape, gain_D, EPSILON)
