"""Speech over HTTP, as OpenAI's clients ask for it: `qwen3-tts-server --model model.pte`.

From inside out:

    settings, errors        what may be spent, and what is said about it
    admission               whose turn it is: places in the batch, and the queue before them
    models, voices          what is served, by name; recordings  what makes voices
    body, speech_request    what a client asks for, checked before any work
    formats                 samples to bytes of a sound file
    speaking, service       one utterance: its turn, its samples, its figures
    answers, logs, metrics  what goes out
    routes_*                one file for an address or a few
    wyoming                 the same for Home Assistant
    guard, app              who may ask, and all of it as an ASGI application
    process, cli            that application as a process: connections, signals, flags
"""
