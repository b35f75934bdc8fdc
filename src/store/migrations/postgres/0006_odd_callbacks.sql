-- Status events that somebody must look at are listed without a walk through all the others.
CREATE INDEX callbacks_odd ON callbacks (verdict, id) WHERE verdict IN ('unmatched', 'conflict', 'refused');
