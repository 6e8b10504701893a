"""Speech and transcription through a running gateway, for official clients and plain HTTP."""
