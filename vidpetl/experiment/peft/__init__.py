"""LoRA and (IA)^3 in the files of Hugging Face's peft, there and back.

    base_model.model.<module>.lora_A.weight   [r, in]
    base_model.model.<module>.lora_B.weight   [out, r]
    base_model.model.<module>.ia3_l           [out, 1], or [1, in] of what the
                                              layer reads
    base_model.model.classifier.{weight, bias}

with the modules' names of transformers 5. Only the dense layers of models that
exist there have names; Video Swin is none of them.
"""
