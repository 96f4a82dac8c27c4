"""Dense embeddings with and without vector exchange (Thewlis et al., ICCV 2019, NeurIPS 2017)."""
