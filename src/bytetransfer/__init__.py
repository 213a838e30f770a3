"""How many bytes of the target language is pretraining on another one worth?"""
