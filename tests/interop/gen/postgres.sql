CREATE TABLE public.orders (
  id bigserial PRIMARY KEY,
  order_key character varying(64) NOT NULL,
  "count" integer NOT NULL DEFAULT (-1),
  note text,
  paid boolean NOT NULL DEFAULT false,
  ratio double precision,
  price numeric(10,2) NOT NULL,
  raw bytea,
  big bigint,
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT chk CHECK (count > -5)
);
CREATE UNIQUE INDEX uk_key ON public.orders USING btree (order_key);
CREATE TABLE pieces (a int not null, b varchar(10) not null, v int);
ALTER TABLE ONLY pieces ADD CONSTRAINT pieces_pkey PRIMARY KEY (a, b);
