/** A Kafka node that formats its folder when it is new, in the same process: starting Java twice takes twice as long. */
public class KafkaNode {
    /** Arguments: the cluster's id, the properties file. */
    public static void main(String[] args) {
        int status = kafka.tools.StorageTool.execute(
            new String[] {"format", "--ignore-formatted", "-t", args[0], "-c", args[1]}, System.out);
        if (status != 0) {
            System.exit(status);
        }
        kafka.Kafka.main(new String[] {args[1]});
    }
}
