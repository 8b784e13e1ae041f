-- A comment
CREATE TABLE `orders` (
  `id` bigint(20) unsigned NOT NULL AUTO_INCREMENT,
  `order_key` varchar(64) NOT NULL COMMENT 'the caller''s',
  `count` int(11) NOT NULL DEFAULT -1,
  `note` text DEFAULT NULL,
  `paid` tinyint(1) NOT NULL DEFAULT 0,
  `ratio` double DEFAULT NULL,
  `price` decimal(10,2) NOT NULL,
  `raw` blob,
  `big` bigint DEFAULT NULL,
  `created_at` timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
  PRIMARY KEY (`id`),
  UNIQUE KEY `uk_key` (`order_key`),
  KEY `ix` (`count`),
  CONSTRAINT `chk` CHECK (`count` > -5)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT='orders';
CREATE TABLE pieces (a int not null, b varchar(10) not null, v int, primary key (a, b)) engine=innodb;
