"""Live sound: a microphone through a processor to a loudspeaker, with a delay that does not grow.

`ring` and `session` are the loop without any device, `worker` gives it a thread, `host`, `device` (and
`streamvc.plugin.jack_host`) connect it to hardware, `runner` keeps it going when hardware comes and goes, `recorder`
writes what is heard to a file. None of them loads PortAudio or JACK when it is imported.
"""
