# Experiments: make weights-eval, make weights, make compare. DATA is a folder that holds everyday/ and extra/ (clips.tsv and audio) and, for
# weights, mn04.safetensors and audioset_map.tsv. Everything is kept below $(BUILD); what is there is not made again, and an interrupted
# run goes on where it was.

BUILD ?= build
CLIPS = $(DATA)/everyday $(DATA)/extra
MIX = $(BIN)/audiolog mix $(CLIPS) --cache $(BUILD)/cache
EPOCHS ?= 10
STEPS ?= 200
WINDOWS ?= 8000
VALIDATION_WINDOWS ?= 600
SEEDS ?= 1 2 3
SYSTEMS = htsat htsat-alone crnn joint cnn-bigru cnn task4b

htsat_OPTIONS = --model htsat --preset tiny --learning-rate 1e-3
htsat-alone_OPTIONS = --model htsat --preset tiny --learning-rate 1e-3 --contrastive-weight 0
crnn_OPTIONS = --model crnn --preset small --learning-rate 1e-3
joint_OPTIONS = --model joint --learning-rate 2e-4 --scene-weight 1 --event-weight 1 --contrastive-weight 0
cnn-bigru_OPTIONS = --model cnn-bigru --learning-rate 2e-4 --event-weight 1
cnn_OPTIONS = --model cnn --learning-rate 2e-4 --scene-weight 1
task4b_OPTIONS = --model task4b --learning-rate 1e-3 --event-weight 1 --squared

.PHONY: compare weights weights-eval

compare: $(foreach system,$(SYSTEMS),$(foreach seed,$(SEEDS),$(BUILD)/runs/$(system).$(seed)/model.safetensors)) ## the systems of Table 2 side by side on mixed windows (not the paper's data)
	$(BIN)/python experiments/compare.py $(BUILD)/runs $(SYSTEMS)

$(BUILD)/runs/%/model.safetensors: | $(BUILD)/plain/train/made $(BUILD)/plain/val/made
	mkdir -p $(@D)
	$(BIN)/audiolog train $(BUILD)/plain/train --validation $(BUILD)/plain/val --out $(@D) $($(basename $*)_OPTIONS) \
	  --seed $(patsubst .%,%,$(suffix $*)) --epochs $(EPOCHS) --steps $(STEPS) --batch-size 16 --warmup 100 --gain 6 --roll \
	  $(if $(wildcard $(@D)/last.pt),--resume) >> $(@D)/log.jsonl

$(BUILD)/plain/train/made:
	$(MIX) --windows $(WINDOWS) --recipe plain --seed 1 --out $(@D) && touch $@

$(BUILD)/plain/val/made:
	$(MIX) --windows $(VALIDATION_WINDOWS) --recipe validation --split val --seed 2 --out $(@D) && touch $@

weights: ## train the default weights again: hours of CPU, a few GB of disk
	$(MIX) --windows 35450 --teacher $(DATA)/mn04.safetensors --teacher-map $(DATA)/audioset_map.tsv --seed 1 --out $(BUILD)/pool/train
	$(MIX) --windows 2000 --recipe validation --split val --seed 2 --out $(BUILD)/pool/val
	$(MIX) --recordings 36 --split val --seed 8 --out $(BUILD)/tuning
	$(BIN)/audiolog train $(BUILD)/pool/train --validation $(BUILD)/pool/val --out $(BUILD)/everyday --model crnn --epochs 51 --steps 200 \
	  --batch-size 16 --learning-rate 1e-3 --weight-decay 0.02 --warmup 200 --ema 0.998 --mixup 0.2 --gain 6 --roll --colour 8 --scene-weight 0.03 \
	  --event-weight 2 --contrastive-weight 0.01 --tag-weight 40 --smoothing 0.1 --seed 1 $(if $(wildcard $(BUILD)/everyday/last.pt),--resume)
	$(BIN)/python experiments/tune_weights.py $(BUILD)/everyday/model.safetensors $(BUILD)/tuning $(BUILD)/everyday.safetensors

weights-eval: ## the figures of the model card
	$(MIX) --recordings 12 --split val --seed 7 --out $(BUILD)/composed
	$(MIX) --recordings 12 --split train --seed 7 --out $(BUILD)/composed-train
	$(BIN)/python experiments/evaluate_weights.py weights/everyday.safetensors $(BUILD)/composed $(CLIPS)
	$(BIN)/python experiments/evaluate_weights.py weights/everyday.safetensors $(BUILD)/composed-train
	$(BIN)/python experiments/evaluate_weights.py $(DATA)/mn04.safetensors $(BUILD)/composed $(DATA)/audioset_map.tsv
