"""The words of the default weights: everyday events and scenes, and which events a scene may hold without anyone having labelled them.

Labels are those of the training clips. `PLAUSIBLE` is used twice: in training, where such an event over such a scene is learned from
a teacher's opinion instead of from silence, and in scoring, where it is left out of the count.
"""

from audiolog_cli.weights.labels import EVERYDAY

EVENTS, SCENES = EVERYDAY.events, EVERYDAY.scenes

PLAUSIBLE: dict[str, tuple[str, ...]] = {
    "cafe_restaurant": ("speech", "laughter", "dishes", "music", "children_playing", "footsteps", "water", "door_slam"),
    "forest": ("bird", "crow", "insects", "frog", "wind", "water"),
    "home": ("fire", "air_conditioner", "vacuum_cleaner", "water", "dishes", "speech", "clock_tick", "door_slam", "footsteps"),
    "metro_station": ("train", "speech", "footsteps", "alarm", "door_slam", "engine_idling", "air_conditioner", "music", "wind"),
    "night": ("insects", "frog", "bird", "wind", "water", "dog_bark"),
    "office": ("keyboard_typing", "speech", "phone_ring", "footsteps", "door_slam", "air_conditioner", "laughter", "clock_tick"),
    "park": ("bird", "crow", "insects", "wind", "water", "children_playing", "speech", "footsteps", "dog_bark", "car"),
    "rain": ("rain", "water", "thunder", "wind", "sea_waves", "fire", "car", "bird"),
    "river": ("water", "bird", "wind", "rain", "insects", "sea_waves", "frog"),
    "seaside": ("sea_waves", "wind", "water", "bird", "children_playing", "speech", "rain"),
    "street": ("car", "engine_idling", "car_horn", "speech", "footsteps", "bird", "wind", "siren", "train", "music"),
    "train": ("train", "speech", "engine_idling", "car", "wind", "footsteps", "church_bell", "alarm", "air_conditioner"),
}
