-- Events that can't be read are found by their age, as those without a transfer are.
CREATE INDEX callbacks_refused ON callbacks (received_at) WHERE verdict = 'refused';
