"""The words of the default weights: everyday events and scenes, and the events a scene may hold unlabelled.

Labels are those of the training clips, some of them merged (`joined_labels.tsv` in experiments). `PLAUSIBLE` is used
twice: such an event over such a scene counts for nothing in training, and in scoring, unless it was mixed in. `AKIN` is for
training alone.
"""

from audiolog_cli.weights.labels import EVERYDAY

EVENTS, SCENES = EVERYDAY.events, EVERYDAY.scenes

PLAUSIBLE: dict[str, tuple[str, ...]] = {
    "cafe_restaurant": (
        "speech", "laughter", "dishes", "music", "children_playing", "footsteps", "water", "door_slam", "cooking", "blender",
        "applause", "drawer",
    ),
    "forest": ("bird", "crow", "insects", "frog", "wind", "water"),
    "home": (
        "fire", "air_conditioner", "vacuum_cleaner", "water", "dishes", "speech", "clock_tick", "door_slam", "footsteps",
        "cooking", "drawer", "paper", "blender", "music",
    ),
    "metro_station": (
        "train", "speech", "footsteps", "alarm", "door_slam", "engine_idling", "air_conditioner", "music", "wind", "bell",
        "laughter", "children_playing",
    ),
    "night": ("insects", "frog", "bird", "wind", "water", "dog_bark"),
    "office": (
        "keyboard_typing", "speech", "phone_ring", "footsteps", "door_slam", "air_conditioner", "laughter", "clock_tick",
        "mouse_click", "paper", "drawer",
    ),
    "park": (
        "bird", "crow", "insects", "wind", "water", "children_playing", "speech", "footsteps", "dog_bark", "car", "music",
        "laughter",
    ),
    "rain": ("rain", "water", "thunder", "wind", "sea_waves", "fire", "car", "bird"),
    "river": ("water", "bird", "wind", "rain", "insects", "sea_waves", "frog"),
    "seaside": ("sea_waves", "wind", "water", "bird", "children_playing", "speech", "rain"),
    "street": (
        "car", "engine_idling", "car_horn", "speech", "footsteps", "bird", "wind", "siren", "train", "music", "bus", "bell",
        "children_playing", "laughter",
    ),
    "train": (
        "train", "speech", "engine_idling", "car", "wind", "footsteps", "church_bell", "alarm", "air_conditioner", "bell",
        "laughter", "children_playing", "music",
    ),
}  # fmt: skip

AKIN: dict[str, tuple[str, ...]] = {  # other labels that may also describe a sound with the label on the left
    "bell": ("church_bell",),
    "bus": ("car", "engine_idling"),
    "car": ("bus",),
    "children_playing": ("speech",),
    "church_bell": ("bell",),
    "engine_idling": ("bus", "car"),
    "hen": ("rooster",),
    "rooster": ("hen",),
}
