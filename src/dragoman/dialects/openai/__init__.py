"""What OpenAI's APIs share: errors, counts, log probabilities, strict schemas, the operations beside chat."""
