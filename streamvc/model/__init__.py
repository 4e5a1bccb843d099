"""The StreamVC networks: content encoder, speech encoder, decoder, and their composition."""
